"""engine-export: the trained network for other runtimes.

    engine-export my.safetensors --to onnx       my.onnx, for multiples of 4
    engine-export my.safetensors --to onnx --size 512,512  this size alone
    engine-export my.safetensors --to openvino   my.xml, which engine-infer uses
    engine-export my.safetensors --to openvino --precision int8 --photos photos/
    engine-export my.safetensors --to tensorrt-rtx --size 512,512
    engine-export default --to web --out site/   a page that needs no server
    engine-export --list-cache                   what was built, and is kept

The photos are those that int8 is calibrated on. docs/runtimes.md says how to open my.onnx in other programs, and what
the page for the browser can do. It needs the npm package onnxruntime-web, which is not fetched unasked.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from data.cache import cache_folder
from data.catalog import Catalog
from data.files import folder_beside, write_atomically
from data.headers import Unusable
from engine.commands.ending import ends_in_a_line, log_to_stderr
from engine.evaluation import Task
from engine.inference.calibration import FEWEST_PHOTOS, Sample, calibrate, judged
from engine.inference.graphs.engine_cache import entries
from engine.inference.graphs.export import GRAPHS, Graph, cached_onnx, fix_size, smallest_side
from engine.inference.graphs.int8 import (
    Calibration,
    cached_int8,
    calibration_file,
    read_calibration,
    save_calibration,
)
from engine.inference.graphs.tensorrt_build import Shape, build_engine, check_size
from engine.inference.runtimes.tensorrt_runtime import TensorrtRuntime
from engine.networks import CompletionNetwork
from engine.packages import import_optional
from engine.spec import STRIDE
from engine.web.site import find_onnxruntime_web, size_of, write_site
from engine.weights import DEFAULT_WEIGHTS, load_weights

log = logging.getLogger(__name__)

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "tensorrt": ".engine", "tensorrt-rtx": ".engine"}

LARGEST_SIDE = 2**31 - STRIDE
"""Of an input of fixed size: a side is a signed number of 32 bits in most runtimes."""


@dataclass(kw_only=True, slots=True)
class ExportConfig:
    """The options of engine-export."""

    weights: tyro.conf.Positional[Path | None] = None
    """Weights file."""

    to: Literal["onnx", "openvino", "tensorrt", "tensorrt-rtx", "web"] = "onnx"
    """The format to write. tensorrt needs the GPU that the engine is for; tensorrt-rtx needs none. web is a folder
    with a page that completes photos in the browser."""

    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    """Of the weights and of what is computed between the fp32 input and output. int8 is for OpenVINO."""

    photos: Path | None = None
    """Photographs like those to complete: int8 is calibrated on half of them, and judged on the others. The calibration
    is NAME.int8.json beside the weights, where engine-infer --precision int8 looks for it. Default: what is there."""

    photo_limit: int = 48
    """Most photos that are taken, spread evenly over --photos."""

    graph: Graph = "padded"
    """padded: the whole network. interior: for windows away from the photo's borders; the output has no halo."""

    size: str | None = None
    """Height,width of the only input that the file takes. Default: for onnx, any multiples of 4; for a TensorRT engine,
    512,512."""

    out: Path | None = None
    """File to write. Default: beside the weights; for `default`, in the current folder. Replaced if it exists. For
    web, a folder, which has to be named."""

    onnxruntime_web: Path | None = None
    """For web: the folder of the npm package onnxruntime-web, of which files are copied. Default:
    node_modules/onnxruntime-web."""

    list_cache: bool = False
    """Only list what is kept in the cache."""

    def __post_init__(self) -> None:
        if self.weights is None and not self.list_cache:
            raise ValueError("no weights are given: engine-export WEIGHTS, or --list-cache")
        if self.precision == "int8" and self.to != "openvino":
            raise ValueError("int8 is for OpenVINO: --to openvino")
        if self.photos and self.precision != "int8":
            raise ValueError(f"--photos are for --precision int8, and it is {self.precision}; leave them out")
        if self.size is not None and self.to == "openvino":
            raise ValueError(f"--size is {self.size}; OpenVINO's file takes any size: leave it out, or take --to onnx")
        self.check_web()
        if self.photo_limit < 2 * FEWEST_PHOTOS:
            raise ValueError(f"--photo-limit is {self.photo_limit}; it must be at least {2 * FEWEST_PHOTOS}")
        if self.out and self.to != "web" and self.out.suffix != SUFFIXES[self.to]:
            raise ValueError(f"--out is {self.out}; its name must end in {SUFFIXES[self.to]} for --to {self.to}")

    def check_web(self) -> None:
        """ValueError if options for the page and others are given together."""
        if self.to != "web":
            if self.onnxruntime_web:
                raise ValueError(f"--onnxruntime-web is for --to web, and it is {self.to}; leave it out")
            return
        if self.out is None:
            raise ValueError("--to web writes a folder: name it with --out, such as --out site/")
        if self.precision != "fp32" or self.graph != "padded" or self.size is not None:
            raise ValueError(
                "--to web takes both graphs, for any size, in fp32: leave out --precision, --graph and --size"
            )


@ends_in_a_line("engine-export")
def main() -> None:
    log_to_stderr()
    config = tyro.cli(ExportConfig, prog="engine-export", description=__doc__)
    if config.list_cache:
        list_cache()
    else:
        export(config)


def list_cache() -> None:
    """One line for each entry, last used first."""
    for entry in entries():
        key = {name: str(value)[:16] for name, value in entry.key.items()}
        print(f"{entry.size / 2**20:8.1f} MiB  {entry.path.name}  {key}")
    print(f"in {cache_folder()}")


def export(config: ExportConfig) -> None:
    """Write what is asked for, and say what it is."""
    assert config.weights is not None
    if config.to == "web":
        export_web(config)
        return
    network = load_weights(config.weights)
    out = config.out or config.weights.with_suffix(SUFFIXES[config.to])
    shape = fixed_shape(config, network)
    if config.to in ("tensorrt", "tensorrt-rtx"):
        assert shape
        write_engine(config, network, shape, out)
    elif config.to == "openvino":
        write_openvino(config, network, out)
    else:
        content = cached_onnx(network, config.precision, config.graph)
        write_atomically(out, fix_size(content, network, config.graph, *shape[2:]) if shape else content)
    inputs = " x ".join(map(str, shape or ("N", 4, "H", "W")))
    print(f"{out}: {config.graph} graph, {config.precision}, input fp32 {inputs}, output fp32 RGB in [0, 1]")
    if config.precision == "int8":
        print(f"  engine-infer PHOTO --mask MASK --weights {config.weights} --precision int8")


def export_web(config: ExportConfig) -> None:
    """Write the page, and say how to look at it."""
    assert config.weights is not None
    assert config.out is not None
    runtime = find_onnxruntime_web(config.onnxruntime_web or Path("node_modules", "onnxruntime-web"))
    write_site(load_weights(config.weights), runtime, config.out)
    size = size_of(config.out) / 2**20
    print(f"{config.out}: a page for any static host, {size:.0f} MiB, of which a visitor loads about half")
    print(f"  python -m http.server --bind 127.0.0.1 --directory {config.out}")


def fixed_shape(config: ExportConfig, network: CompletionNetwork) -> Shape | None:
    """The only input shape that the file is to take, or None if it is to take any. ValueError if the graph cannot."""
    size = "512,512" if config.size is None and config.to.startswith("tensorrt") else config.size
    if size is None:
        return None
    try:
        height, width = (int(side) for side in size.split(","))
    except ValueError as error:
        raise ValueError(f"--size is {size!r}; it must be HEIGHT,WIDTH such as 512,512") from error
    least = smallest_side(network, config.graph)
    if height % STRIDE or width % STRIDE or min(height, width) < least or max(height, width) > LARGEST_SIDE:
        raise ValueError(
            f"--size is {size}; the {config.graph} graph takes multiples of {STRIDE} from {least} to {LARGEST_SIDE}"
        )
    return (1, 4, height, width)


def write_openvino(config: ExportConfig, network: CompletionNetwork, out: Path) -> None:
    """The graph as OpenVINO's XML and BIN, both or neither. OSError if they cannot be written.

    In fp32 and int8 both graphs are left in the cache, so that engine-infer need not make them.
    """
    openvino = import_optional("openvino")
    if config.precision == "int8":
        ranges = calibrated(config, network).ranges if config.photos else read_calibration(network).ranges
        contents = {graph: cached_int8(network, graph, ranges) for graph in GRAPHS}
    else:
        graphs = GRAPHS if config.precision == "fp32" else (config.graph,)
        contents = {graph: cached_onnx(network, config.precision, graph) for graph in graphs}
    model = openvino.Core().read_model(contents[config.graph])
    with folder_beside(out) as folder:
        saved = folder / out.name
        try:
            openvino.save_model(model, str(saved), compress_to_fp16=False)
        except RuntimeError as error:  # which is all that it says of a full disk
            raise OSError(f"{out} cannot be written ({error}): is the disk full?") from error
        for suffix in (".bin", ".xml"):
            os.replace(saved.with_suffix(suffix), out.with_suffix(suffix))


def calibrated(config: ExportConfig, network: CompletionNetwork) -> Calibration:
    """The network's calibration on the photos, which is said to be how good, and written beside its weights.

    ValueError if there are too few photos, or int8 loses too much on them.
    """
    assert config.photos is not None
    assert network.file is not None
    is_shipped, beside = network.file == DEFAULT_WEIGHTS, calibration_file(network.file)
    if not is_shipped and not os.access(beside.parent, os.W_OK):
        raise OSError(f"the calibration is to be {beside}, which cannot be written: copy the weights to another folder")
    samples = samples_of(config.photos, config.photo_limit)
    calibration = judged(network, calibrate(network, samples[::2]), samples[1::2])
    loss = calibration.loss
    print(
        f"int8: PSNR in the hole {loss.int8_loss_db:+.3f} dB lower than fp32's on {loss.int8_photos} held-out photos "
        f"(worst {loss.int8_worst_loss_db:+.3f} dB; {loss.int8_psnr_to_fp32_db:.1f} dB between the two)"
    )
    if is_shipped:
        print("  engine-infer keeps to the calibration that these weights come with")
    else:
        save_calibration(beside, network, calibration)
        print(f"{beside}: the calibration, which belongs to the weights: copy both")
    return calibration


def samples_of(photos: Path, most: int) -> list[Sample]:
    """Photos with holes, `most` at most. ValueError if there are too few."""
    task = Task.of(Catalog.open(photos), "random", 0, most)
    samples = []
    for i in task.photos:
        try:
            samples.append(Sample(task.photo(i), task.hole(i)))
        except Unusable as reason:
            log.warning("%s: %s; left out", task.catalog.name(i), reason)
    if len(samples) < 2 * FEWEST_PHOTOS:
        raise ValueError(
            f"{photos} has {len(samples)} photos that can be read; int8 needs at least {2 * FEWEST_PHOTOS}"
        )
    return samples


def write_engine(config: ExportConfig, network: CompletionNetwork, shape: Shape, out: Path) -> None:
    """A serialised engine for one input shape. One for TensorRT-RTX has no GPU to be checked on."""
    trt = import_optional(config.to.replace("-", "_"))
    if config.to == "tensorrt":
        content, _ = TensorrtRuntime(network, precision=config.precision).build(config.graph, shape)
    else:
        check_size(shape, network.spec.base_width)
        content = build_engine(trt, cached_onnx(network, config.precision, config.graph), shape).engine
    write_atomically(out, content)


if __name__ == "__main__":
    main()
