"""ADADELTA over all parameters of a network in one pass.

Bytes moved per fp32 parameter: parameter, gradient and two averages read, parameter and two averages written = 28.
`torch.optim.Adadelta` with foreach=True takes 11 passes: two scalings of the averages (8 each), two addcmul (12 each,
the factor read once), two additions of eps and two roots (8 each), a division (12), a product (12) and the update (12)
= 108.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adadelta import adadelta
from torch.optim.optimizer import ParamsT

from kernels.launch import use_triton


class Adadelta(torch.optim.Adadelta):
    """Drop-in for `torch.optim.Adadelta` (Zeiler 2012): the same numbers to rounding, and the same `state_dict`.

    The kernel takes dense fp32 parameters on one device; for others, and for torch's options that it lacks (met in a
    `state_dict` from elsewhere), `auto` runs torch's own code and `triton` is a ValueError.
    """

    def __init__(
        self, params: ParamsT, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient; returns the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params: list[Tensor] = []
            grads: list[Tensor] = []
            square_avgs: list[Tensor] = []
            acc_deltas: list[Tensor] = []
            steps: list[Tensor] = []
            has_complex = self._init_group(group, params, grads, square_avgs, acc_deltas, steps)
            hyperparameters = {name: group[name] for name in ("lr", "rho", "eps", "weight_decay")}
            if params and use_triton("Adadelta", params[0].device, _unsupported(group, params, grads)):
                torch._foreach_add_(steps, 1)
                self._lay_out_state(params, "square_avg", square_avgs)
                self._lay_out_state(params, "acc_delta", acc_deltas)
                adadelta_op(params, grads, square_avgs, acc_deltas, **hyperparameters)
            elif params:
                options = {name: group[name] for name in ("foreach", "maximize", "differentiable", "capturable")}
                adadelta(
                    params, grads, square_avgs, acc_deltas, steps, has_complex=has_complex, **options, **hyperparameters
                )
        return loss

    def _lay_out_state(self, params: list[Tensor], name: str, values: list[Tensor]) -> None:
        """Give a state that came from elsewhere its parameter's strides: the kernel counts through memory."""
        for index, (param, value) in enumerate(zip(params, values, strict=True)):
            if value.stride() != param.stride():
                values[index] = self.state[param][name] = torch.empty_like(param).copy_(value)


def _unsupported(group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> str | None:
    """Why the kernel cannot step this group, None if it can."""
    if options := [name for name in ("maximize", "differentiable") if group[name]]:
        return f"its kernel has no {options[0]}"
    if isinstance(group["lr"], Tensor):
        return "its kernel takes lr as a number, not as a tensor"
    if wrong := [tensor.dtype for tensor in (*params, *grads) if tensor.dtype != torch.float32]:
        return f"its kernel takes float32 parameters and gradients, not {wrong[0]}"
    if len({tensor.device for tensor in (*params, *grads)}) > 1:
        return "its kernel takes parameters on one device"
    if not all(param.is_contiguous() or param.is_contiguous(memory_format=torch.channels_last) for param in params):
        return "its kernel takes contiguous or channels-last parameters"
    return None


@torch.library.custom_op(
    "glcic::adadelta",
    mutates_args=("params", "square_avgs", "acc_deltas"),
    tags=(torch.Tag.cudagraph_unsafe,),  # the table of addresses is sent from the host
)
def adadelta_op(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
) -> None:
    """One step in Triton, in place."""
    from kernels.gpu.adadelta import launch

    launch(params, grads, square_avgs, acc_deltas, lr, rho, eps, weight_decay)
