"""A step through the fused operations, which compiling must not change: of the plain versions and of the kernels."""

import torch
from torch import Tensor

from kernels.fill_holes import fill_holes
from kernels.masked_mse import masked_mse
from kernels.paste_crop import cut_patches, paste_crop


def check_a_step_under_compile(device: str, backend: str) -> None:
    """Compiled whole, with this backend of torch.compile, it has the eager one's loss and gradient."""
    photo = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8, device=device)
    mask, mean_pixel = torch.rand(2, 1, 8, 12, device=device) < 0.5, torch.rand(3, device=device)
    centres = torch.tensor([[0, 3], [8, 11]], device=device)

    def step(generated: Tensor) -> Tensor:
        holed = fill_holes(photo, mask.float(), mean_pixel)
        completed, patches = paste_crop(generated * holed[:, :3], photo, mask, centres, 4)
        real = cut_patches(photo, centres, 4)
        return masked_mse(completed, photo, mask, mask.sum()) + (patches - real / 255).square().mean()

    generated = torch.rand(2, 3, 8, 12, device=device).requires_grad_()
    compiled = torch.compile(step, fullgraph=True, backend=backend)(generated)
    torch.testing.assert_close(compiled, step(generated))
    (got,), (wanted,) = (torch.autograd.grad(loss, generated) for loss in (compiled, step(generated)))
    torch.testing.assert_close(got, wanted)
