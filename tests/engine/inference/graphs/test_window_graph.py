"""Rounding to bfloat16, against PyTorch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.inference.graphs.window_graph import to_bfloat16


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32)))
def test_bfloat16_is_rounded_as_by_pytorch(values):
    fp32 = np.array(values, np.float32)
    expected = torch.from_numpy(fp32).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(to_bfloat16(fp32), expected)


def test_a_tie_is_rounded_to_even():
    bits = np.array([0x3F808000, 0x3F818000, 0x3F808001], np.uint32)
    assert to_bfloat16(bits.view(np.float32)).tolist() == [0x3F80, 0x3F82, 0x3F81]
