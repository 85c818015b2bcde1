"""The smooth fill: against a direct solution of the Laplace equation, on images of any proportions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.smooth_fill import interpolate_holes, smooth_fill


def solve_directly(rgb_3HW: Tensor, hole_HW: Tensor) -> Tensor:
    """Each pixel of the hole is the mean of its neighbours; one outside the image counts as the pixel itself."""
    height, width = hole_HW.shape
    unknowns = {place: number for number, place in enumerate(map(tuple, hole_HW.nonzero().tolist()))}
    matrix, given = np.eye(len(unknowns)), np.zeros((len(unknowns), 3))
    for (y, x), number in unknowns.items():
        for row, column in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            neighbour = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
            if neighbour in unknowns:
                matrix[number, unknowns[neighbour]] -= 0.25
            else:
                given[number] += 0.25 * rgb_3HW[:, *neighbour].numpy()
    solution = rgb_3HW.clone()
    solution[:, hole_HW] = torch.from_numpy(np.linalg.solve(matrix, given).T).float()
    return solution


def filled(rgb_3HW: Tensor, hole_HW: Tensor) -> Tensor:
    return smooth_fill(torch.cat((rgb_3HW, hole_HW[None].float()))[None])[0, :3]


@pytest.mark.parametrize("size", [(24, 24), (12, 48), (48, 12), (3, 60), (1, 40), (33, 7)])
def test_close_to_the_direct_solution(size: tuple[int, int]) -> None:
    """A gentle gradient continues, at the photo's border too; the cascade is not a solver to the last digit."""
    height, width = size
    ys, xs = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    rgb_3HW = torch.stack((xs, 1 - xs, 0.5 * (xs + ys)))
    hole_HW = torch.zeros(size, dtype=torch.bool)
    hole_HW[:, width // 4 : width // 2 + 1] = True  # from the upper border to the lower
    difference = filled(rgb_3HW, hole_HW) - solve_directly(rgb_3HW, hole_HW)
    assert difference.abs().max() < 0.08
    assert difference.square().mean().sqrt() < 0.03


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 200),
    seed=st.integers(0, 1000),
    share=st.floats(0, 0.99),
    whole_columns=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_never_beyond_what_is_known(height: int, width: int, seed: int, share: float, whole_columns: bool) -> None:
    """Whatever the image's proportions: an interpolation stays between the smallest and the largest known value."""
    random = torch.Generator().manual_seed(seed)
    hole_HW = torch.rand(1 if whole_columns else height, width, generator=random).expand(height, width) < share
    rgb_3HW = 0.5 + 0.5 * torch.rand(3, height, width, generator=random)
    filled_3HW = filled(torch.where(hole_HW, 0.0, rgb_3HW), hole_HW)
    if hole_HW.all():
        assert filled_3HW.eq(0).all(), "an image that is all hole stays as it is"
        return
    known = rgb_3HW[:, ~hole_HW]
    assert torch.equal(filled_3HW[:, ~hole_HW], known)
    assert (filled_3HW.amin((1, 2)) >= known.amin(1) - 1e-5).all()
    assert (filled_3HW.amax((1, 2)) <= known.amax(1) + 1e-5).all()


def test_a_photo_much_wider_than_its_hole_is_high() -> None:
    """Once black in the middle: the pyramid had ended when its shorter side was one pixel."""
    hole_HW = torch.zeros(64, 1024, dtype=torch.bool)
    hole_HW[:, 256:768] = True
    filled_3HW = filled(torch.where(hole_HW, 0.0, torch.full((3, 64, 1024), 0.75)), hole_HW)
    torch.testing.assert_close(filled_3HW, torch.full((3, 64, 1024), 0.75))


def test_interpolation_is_linear_and_has_its_gradient() -> None:
    torch.manual_seed(0)
    known = (torch.rand(2, 1, 13, 21) > 0.6).float()
    first, second = torch.rand(2, 3, 13, 21) * known, torch.rand(2, 3, 13, 21) * known
    along = torch.rand(2, 3, 13, 21)
    values = first.clone().requires_grad_()
    (interpolate_holes(values, known) * along).sum().backward()
    assert values.grad is not None
    difference = interpolate_holes(first + second, known) - interpolate_holes(first, known)
    torch.testing.assert_close((difference * along).sum(), (values.grad * second).sum())


def test_the_gradient_of_a_deep_pyramid_is_finite() -> None:
    """Once each level without a known pixel multiplied it by 250,000: NaN from a hole of 256 pixels on."""
    known = torch.ones(1, 1, 512, 512)
    known[..., 256:, 256:] = 0
    values = torch.zeros(1, 3, 512, 512, requires_grad=True)
    interpolate_holes(values, known).sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert (values.grad * known).sum() == pytest.approx(3 * 512 * 512, rel=1e-4), "each known value's share of the sum"
