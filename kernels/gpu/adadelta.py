# mypy: allow-untyped-defs
# (what is under @triton.jit is compiled, not called)

"""ADADELTA in Triton: one launch for all parameters, one program per block of one of them.

The tensors stay where they are: a table of their addresses goes to the device, and each program looks up its own. The
gradients' addresses may change every step; the table is sent again only when one did.
"""

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.tiles import on_device_of

# 8 parameters a thread: two 16-byte loads from each of four tensors. From the compiled code, not timed on a GPU yet.
BLOCK = 1024
WARPS = 4


@triton.jit
def _address(addresses_ptr, index, ALIGNED: tl.constexpr):
    ptr = tl.load(addresses_ptr + index).to(tl.pointer_type(tl.float32))
    return tl.multiple_of(ptr, 16) if ALIGNED else ptr


@triton.jit
def _update_block(
    param_ptr, grad_ptr, square_avg_ptr, acc_delta_ptr, offset, mask, lr, rho, one_minus_rho, eps, weight_decay
):
    """The same operations in the same order as torch.optim.Adadelta, each rounded as IEEE says."""
    param = tl.load(param_ptr + offset, mask=mask)
    grad = tl.load(grad_ptr + offset, mask=mask) + weight_decay * param
    square_avg = tl.load(square_avg_ptr + offset, mask=mask) * rho + one_minus_rho * grad * grad
    acc_delta = tl.load(acc_delta_ptr + offset, mask=mask)
    delta = tl.div_rn(tl.sqrt_rn(acc_delta + eps), tl.sqrt_rn(square_avg + eps)) * grad
    tl.store(param_ptr + offset, param - lr * delta, mask=mask)
    tl.store(square_avg_ptr + offset, square_avg, mask=mask)
    tl.store(acc_delta_ptr + offset, acc_delta * rho + one_minus_rho * delta * delta, mask=mask)


@triton.jit
def _adadelta_kernel(
    addresses_ptr,  # (4, tensors) int64: of each parameter, gradient, square_avg and acc_delta, all fp32
    sizes_ptr,  # (tensors,) int64: elements
    block_tensors_ptr,  # (programs,) int64: which tensor a program works on
    block_numbers_ptr,  # (programs,) int64: on which of its blocks of BLOCK elements
    tensors,
    lr,
    rho,
    one_minus_rho,
    eps,
    weight_decay,
    ALIGNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    tensor = tl.load(block_tensors_ptr + tl.program_id(0))
    start = tl.load(block_numbers_ptr + tl.program_id(0)) * BLOCK
    left = tl.load(sizes_ptr + tensor) - start
    param_ptr = _address(addresses_ptr, tensor, ALIGNED) + start
    grad_ptr = _address(addresses_ptr, tensors + tensor, ALIGNED) + start
    square_avg_ptr = _address(addresses_ptr, 2 * tensors + tensor, ALIGNED) + start
    acc_delta_ptr = _address(addresses_ptr, 3 * tensors + tensor, ALIGNED) + start
    offset = tl.arange(0, BLOCK)
    # A mask of unknown alignment forbids wide accesses: only a tensor's last block has one.
    if left >= BLOCK:
        _update_block(
            param_ptr, grad_ptr, square_avg_ptr, acc_delta_ptr, offset, None,
            lr, rho, one_minus_rho, eps, weight_decay,
        )  # fmt: skip
    else:
        _update_block(
            param_ptr, grad_ptr, square_avg_ptr, acc_delta_ptr, offset, offset < left,
            lr, rho, one_minus_rho, eps, weight_decay,
        )  # fmt: skip


def launch(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Update `params`, `square_avgs` and `acc_deltas` in place; all fp32, dense, and with the strides of the params."""
    device = params[0].device
    grads = [
        grad if grad.stride() == param.stride() else torch.empty_like(param).copy_(grad)
        for grad, param in zip(grads, params, strict=True)
    ]
    addresses = tuple(tensor.data_ptr() for tensors in (params, grads, square_avgs, acc_deltas) for tensor in tensors)
    with on_device_of(params[0]):
        stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
        address_table = _on_device(addresses, device, stream)
        sizes, block_tensors, block_numbers = _blocks(tuple(param.numel() for param in params), device, stream)
        _adadelta_kernel[(len(block_tensors),)](
            address_table, sizes, block_tensors, block_numbers, len(params), lr, rho, 1 - rho, eps, weight_decay,
            ALIGNED=all(address % 16 == 0 for address in addresses),
            BLOCK=BLOCK, num_warps=WARPS, enable_fp_fusion=False,
        )  # fmt: skip


# The stream is part of the keys because a table is only ready on the stream that it was sent on.
@lru_cache(maxsize=16)
def _on_device(numbers: tuple[int, ...], device: torch.device, stream: int) -> Tensor:
    """The numbers as int64 on `device`, sent without waiting for it."""
    table = torch.tensor(numbers, dtype=torch.int64)
    return table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table


@lru_cache(maxsize=16)
def _blocks(sizes: tuple[int, ...], device: torch.device, stream: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sizes, and for each program its tensor and which block of it."""
    counts = [triton.cdiv(size, BLOCK) for size in sizes]
    tensors = tuple(tensor for tensor, count in enumerate(counts) for _ in range(count))
    numbers = tuple(number for count in counts for number in range(count))
    return _on_device(sizes, device, stream), _on_device(tensors, device, stream), _on_device(numbers, device, stream)
