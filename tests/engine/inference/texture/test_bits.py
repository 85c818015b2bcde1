"""The same bits from NumPy and PyTorch and for any number of threads; and without PyTorch where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from engine.inference.texture.detail import detail_of
from engine.inference.texture.patches import describe
from engine.inference.texture.pyramid import Scale, is_detailed, octaves_for, pyramid
from engine.inference.texture.synthesis import synthesise
from tests.engine.inference.texture.made_photos import completed, textured

ROOT = Path(__file__).parents[4]

DRAWN = """
import hashlib, sys
import cv2
from engine.inference.holes.fill import fill_smoothly
from tests.engine.inference.texture.made_photos import completed, draw, textured

cv2.setNumThreads(int(sys.argv[1]))
smooth_HW3, hole_HW = completed(textured(260, 300), (40, 50, 90, 84))
fill_smoothly(smooth_HW3, hole_HW)
drawn_HW3, report = draw(smooth_HW3, hole_HW)
print(report.texture["photo"], hashlib.sha256(drawn_HW3.tobytes()).hexdigest(), "torch" in sys.modules)
"""


def drawn(threads):
    """The output of a process that fills and draws a hole, with so many threads in OpenCV and in NumPy's BLAS."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRAWN, str(threads)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_the_same_bits_whatever_the_threads_and_never_torch():
    said = [drawn(threads) for threads in (1, 2, 3)]
    assert said[1:] == said[:1] * 2
    assert said[0][0] == "1", "drawn from patches of the photo"
    assert said[0][2] == "False"


def test_tensors_give_the_bits_that_arrays_give():
    smooth_HW3, hole_HW = completed(textured(), (40, 50, 40, 44))
    scales = list(pyramid(smooth_HW3, hole_HW, ~hole_HW, np.zeros_like(hole_HW), octaves_for(40), "cpu"))
    tensors = [Scale(*(torch.from_numpy(array) for array in scale)) for scale in scales]
    for scale, of_tensors in zip(scales, tensors, strict=True):
        described_PK = describe(of_tensors.image_HW3).reshape(scale.coefficients_PK.shape)
        assert np.array_equal(described_PK.numpy(), scale.coefficients_PK)
        assert np.array_equal(detail_of(described_PK).numpy(), scale.detail_P)
    assert is_detailed(tensors[0]) == is_detailed(scales[0])
    of_arrays, of_tensors = (synthesise(each, np.random.default_rng(0)) for each in (scales, tensors))
    assert np.array_equal(of_tensors.field.best_N.numpy(), of_arrays.field.best_N)
    assert np.array_equal(of_tensors.weight_N.numpy(), of_arrays.weight_N)
    image_HW3 = scales[0].image_HW3
    assert np.array_equal(of_tensors.of(torch.from_numpy(image_HW3)).numpy(), of_arrays.of(image_HW3))
