# The project's whole vocabulary: make demo | test | quick | check | runtimes | bench | package | gpu.
# Needs make and Python 3.11 or 3.12; everything else goes into .venv, once.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test quick check runtimes bench package gpu

# Trains a small network for under a minute, then completes a photograph with it.
demo: .venv/demo.installed
	$(BIN)/python -m engine.commands.demo

test: .venv/dev.installed
	$(BIN)/python -m pytest

# Under two minutes: of what is changed most, the tests that are not marked slow.
QUICK := tests/data/test_headers.py tests/data/test_decode.py tests/data/test_orientation.py tests/data/test_masks.py \
  tests/data/test_sampler.py tests/engine/test_networks.py tests/engine/test_weights.py \
  tests/engine/training/test_config.py tests/engine/training/test_checkpoint.py tests/engine/training/test_steps.py \
  $(addprefix tests/engine/inference/, photos/test_any_file.py photos/test_photo.py masks/test_mask_files.py \
  holes/test_blend.py holes/test_border.py holes/test_mask.py holes/test_plain.py holes/test_scales.py \
  windows/test_windows.py) tests/kernels/test_reference.py
quick: .venv/dev.installed
	$(BIN)/python -m pytest -m 'not slow' $(QUICK)

check: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The exported graph in the programs of docs/runtimes.md, which have an environment of their own, without PyTorch: three
# minutes on two cores. LiteRT's converter needs Python 3.12: make runtimes RUNTIMES_PYTHON=python3.12.
RUNTIMES_PYTHON ?= $(PYTHON)
runtimes: .venv/dev.installed
	$(RUNTIMES_PYTHON) -m venv --clear build/runtimes/venv
	build/runtimes/venv/bin/pip install --quiet --no-deps -r tests/runtimes/requirements.txt
	rm -rf build/runtimes/coremltools
	$(BIN)/pip install --quiet --no-deps --target build/runtimes/coremltools -r tests/runtimes/coremltools.txt
	$(BIN)/python -m tests.runtimes.references build/runtimes
	PYTHONPATH=build/runtimes/coremltools $(BIN)/python -m tests.runtimes.core_ml build/runtimes
	build/runtimes/venv/bin/python tests/runtimes/check.py build/runtimes

# A part of it: make bench ONLY='bench/test_peers.py -k telea'.
bench: .venv/dev.installed
	$(BIN)/python -m bench $(ONLY)

# What could go to PyPI: built and checked, and installed in an empty environment, where it completes a photo, without
# PyTorch and in less than 350 MB.
package:
	rm -rf build/dist
	$(PYTHON) -m venv --clear build/packaging
	build/packaging/bin/pip install --quiet build==1.6.1 twine==7.0.0
	build/packaging/bin/python -m build --outdir build/dist . >build/packaging/log || { cat build/packaging/log; false; }
	build/packaging/bin/twine check --strict build/dist/*
	$(PYTHON) -m venv --clear build/empty
	build/empty/bin/pip install --quiet -c constraints.txt "$$(echo build/dist/*.whl)[cpu]"
	cd build && empty/bin/engine-infer ../.github/weights.jpg --hole 20,30,40,40 --out empty/completed.png --overwrite
	rm -rf build/image
	build/empty/bin/pip install --quiet --no-compile -c constraints.txt --target build/image "$$(echo build/dist/*.whl)[cpu]"
	megabytes=$$(du -sm build/image | cut -f1); echo "An installation takes $$megabytes MB."; test $$megabytes -lt 350

# On a machine with CUDA: the proofs and benchmarks that need a GPU. The parts cases and kernels do with torch, triton,
# numpy, array-api-compat and pytest-benchmark; the others need '.[dev]', and tensorrt needs '.[tensorrt]' beside it on
# GPUs that TensorRT-RTX lacks (an H100, say). Each part has less than ten minutes (make gpu-cases, ...); a part that
# fails does not stop the others.
GPU_PYTHON ?= $(PYTHON)
GPU_PARTS := cases kernels steps data inference runtimes training tensorrt
gpu:
	failed=; for part in $(GPU_PARTS); do $(MAKE) gpu-$$part || failed="$$failed $$part"; done; test -z "$$failed"

# Without tests/conftest.py, which needs scikit-image.
gpu-cases:
	ENGINE_KERNELS=triton timeout 570 $(GPU_PYTHON) -m pytest --noconftest tests/kernels/triton_cases.py

gpu-steps:
	timeout 570 $(GPU_PYTHON) -m pytest -m gpu tests/engine/training/test_on_gpu.py tests/data/test_loaders.py

gpu-tensorrt:
	timeout 570 $(GPU_PYTHON) -m pytest -m gpu tests/engine/inference/runtimes/test_tensorrt_runtime.py

gpu-%:
	timeout 570 $(GPU_PYTHON) -m bench -m gpu bench/test_$*.py

# Without an NVIDIA GPU, torch comes from PyTorch's index of CPU builds, which spares gigabytes of CUDA; where that
# index cannot be reached, from wherever pip finds it. It goes first and alone, so that nothing else asks that index.
.venv/torch.installed: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	command -v nvidia-smi >/dev/null || $(BIN)/pip install --quiet --no-deps --retries 1 -c constraints.txt torch \
	  --extra-index-url https://download.pytorch.org/whl/cpu
	touch $@

.venv/%.installed: .venv/torch.installed pyproject.toml
	$(BIN)/pip install --quiet -c constraints.txt -e '.[$*]'
	touch $@
