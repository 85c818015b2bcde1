"""Batch norms for other statistics than those of each process's own batch.

Synchronised ones have those of the photos of all processes together, for global batches so small that each process has
few. torch.nn.SyncBatchNorm does this for GPUs alone; these also run on the CPU, where they can be tested.

Fixed ones keep those that weights came with, for training on: what is trained is then what completes. Of the weights
that come with the engine, the loss on batches of 8 is 0.1 dB worse by the batch's own than by those.
"""

from typing import Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.training.distributed import World


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs.

    torch.distributed.nn.functional.all_reduce is the same, but refuses to be compiled.
    """

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class SyncedBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d whose training statistics are those of the global batch (of equal parts on every process)."""

    ranks: int = 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        wide = x.float()
        # The mean first and then the squares around it: E[x^2] - E[x]^2 would cancel.
        mean = _SumOverProcesses.apply(wide.mean((0, 2, 3))) / self.ranks
        centred = wide - mean.view(1, -1, 1, 1)
        variance = _SumOverProcesses.apply(centred.square().mean((0, 2, 3))) / self.ranks
        if self.track_running_stats:
            self._track(mean, variance, x.numel() // x.shape[1] * self.ranks)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)
        self.num_batches_tracked += 1


def synchronise_batch_norm(network: nn.Module, world: World) -> None:
    """Let every batch norm of `network` see the global batch; names and state stay as they were."""
    if world.ranks == 1:
        return
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SyncedBatchNorm  # the same parameters and buffers, another forward
            assert isinstance(module, SyncedBatchNorm)
            module.ranks = world.ranks


class FixedBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d that uses its running statistics in training, too, and leaves them as they are."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


def fix_batch_norm(network: nn.Module) -> None:
    """Let every batch norm of `network` keep its statistics; names and state stay as they were."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = FixedBatchNorm  # the same parameters and buffers, another mode
            module.train()
