"""The moving average of a network's weights, which completes better than the weights of any one iteration."""

import copy

import torch
from torch import nn


class MovingAverage(nn.Module):
    """A copy of `network` whose weights follow; batch norm statistics, averages already, are the network's.

    torch's AveragedModel gives the same bits, but asks the GPU how often it has been updated and copies each buffer by
    itself: 50 kernels and a wait in every iteration. Its names are kept here, so that checkpoints stay the same.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.module = copy.deepcopy(network)
        self.n_averaged: torch.Tensor
        self.register_buffer("n_averaged", torch.tensor(0))  # on the CPU, where asking it waits for nothing

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Take a step towards `network`; the first one leads all the way."""
        share = 1 - self.decay if self.n_averaged else 1.0
        torch._foreach_lerp_([*self.module.parameters()], [*network.parameters()], share)
        if buffers := [*self.module.buffers()]:
            torch._foreach_copy_(buffers, [*network.buffers()])
        self.n_averaged += 1
