"""A network, the optimiser that trains it, and how the two are run: precision, compilation, accumulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from engine.cpu import cpu_has_bf16
from engine.training.batch_norm import synchronise_batch_norm
from engine.training.config import TrainConfig
from engine.training.distributed import World
from kernels.adadelta import Adadelta


def precision(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """The type that convolutions compute in: bfloat16 or float16 with --amp, None for fp32, which on CUDA is TF32."""
    if not config.amp or (config.amp == "auto" and device.type == "cpu" and not cpu_has_bf16()):
        return None
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16  # before sm_80
    return torch.bfloat16


def note_on_precision(config: TrainConfig, device: torch.device) -> str | None:
    """A note on --amp, where it costs time or has decided something."""
    if config.amp == "auto":
        chosen = precision(config, device)
        return f"--amp auto: {'fp32' if chosen is None else str(chosen).removeprefix('torch.')} on this {device.type}"
    if config.amp and device.type == "cpu" and not cpu_has_bf16():
        return "--amp makes it slower: this CPU has no instructions for bfloat16; leave it out, or give --amp auto"
    return None


class Learner:
    """`network` (plain, for its state) with its optimiser; `forward` and `forward_frozen` run it as configured."""

    def __init__(self, network: nn.Module, learning_rate: float | None, config: TrainConfig, world: World) -> None:
        self.network = network.to(world.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.world = world
        self.dtype = precision(config, world.device)
        if config.sync_batch_norm:
            synchronise_batch_norm(network, world)
        self.optimizer: torch.optim.Optimizer
        if config.optimizer == "adadelta":
            self.optimizer = Adadelta(network.parameters(), lr=learning_rate or 1.0)
        else:
            self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate or 2e-4)
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=self.dtype is torch.float16)
        self._forward: Callable[..., Tensor] = network
        self._forward_frozen: Callable[..., Tensor] = self._call
        if config.compile:
            # Two functions, since one of them compiles with constant parameters: a graph never meets the other kind.
            options: dict[str, Any] = {"mode": config.compile_mode, "fullgraph": True, "dynamic": False}
            self._forward = torch.compile(network, **options)
            self._forward_frozen = torch.compile(self._call, **options)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The network's output, in the precision of the run; gradients reach its parameters."""
        with self._autocast():
            return self._forward(*inputs)

    def forward_frozen(self, *inputs: Tensor) -> Tensor:
        """The same with gradients to the inputs alone; the batch norm statistics stay as they are."""
        with self._frozen(), self._autocast():
            return self._forward_frozen(*inputs)

    def _call(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.network(*inputs)
        return output

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """Computations in this block neither reach the parameters nor moves the batch norm statistics.

        Nothing is copied and nothing but the inputs is handed over: a CUDA graph reads the network where it lies.
        """
        try:
            self._set_frozen(True)
            yield
        finally:
            self._set_frozen(False)

    def _set_frozen(self, frozen: bool) -> None:
        self.network.requires_grad_(not frozen)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = not frozen

    def _autocast(self) -> torch.autocast:
        # One context for each forward pass: a weight cast under no_grad is then never met where gradients are wanted.
        return torch.autocast(self.world.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None)

    @contextmanager
    def update(self) -> Iterator[Callable[[Tensor], None]]:
        """Collect the gradients of the losses given to the yielded function; then take one step."""
        # Cleared here, right before they are computed: gradients from anywhere else cannot be in them.
        self.optimizer.zero_grad(set_to_none=True)
        yield lambda loss: self.scaler.scale(loss).backward()
        # A gradient that overflowed on one process is infinite in the average on all, so that all skip this step.
        self.world.average_gradients(self.network.parameters())
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """All that decides the next step."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`, but for the learning rate, which is that of now.

        RuntimeError if the network is another.
        """
        self.network.load_state_dict(state["network"])
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.scaler.load_state_dict(state["scaler"])
