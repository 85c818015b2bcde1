"""Batch norm with the statistics that weights came with, for training on: what is trained is then what completes.

In training, batch norm uses the batch's own statistics; of the weights that come with the engine, the loss on batches
of 8 is 0.1 dB worse by those than by the statistics that completions use.
"""

from typing import Self

from torch import nn


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
