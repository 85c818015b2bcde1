"""The small networks beside the completion network in PyTorch, to be trained.

`engine.inference.graphs.encoder_decoder` has their graph.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.inference.graphs.encoder_decoder import DILATIONS
from engine.weights import read_tensors


class EncoderDecoder(nn.Module):
    """An encoder and decoder with dilated convolutions at 1/4 of the resolution. Untrained, it gives `first`.

    `output` takes N x `channels` x H x W, H and W multiples of 4, and returns N x len(first) x H x W, fp32.
    """

    def __init__(self, channels: int, width: int, first: tuple[float, ...]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, kernel_size=6, stride=2, padding=2)
        self.near = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1)
        self.far = nn.ModuleList(
            nn.Conv2d(2 * width, 2 * width, kernel_size=3, padding=dilation, dilation=dilation)
            for dilation in DILATIONS
        )
        self.narrow = nn.Conv2d(2 * width, width, kernel_size=3, padding=1)
        self.join = nn.Conv2d(2 * width, width, kernel_size=3, padding=1)
        self.leave = nn.Conv2d(width, 4 * len(first), kernel_size=3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor(first).repeat_interleave(4))  # type: ignore[union-attr]

    def output(self, seen_NCHW: Tensor) -> Tensor:
        """The last convolution's channels, four of them for each one at full resolution."""
        fine = torch.relu(self.enter(seen_NCHW))
        fine = fine + torch.relu(self.near(fine))
        coarse = torch.relu(self.down(fine))
        for layer in self.far:
            coarse = coarse + torch.relu(layer(coarse))
        wide = F.interpolate(torch.relu(self.narrow(coarse)), scale_factor=2, mode="bilinear", align_corners=False)
        fine = fine + torch.relu(self.join(torch.cat((wide, fine), dim=1)))
        return F.pixel_shuffle(self.leave(fine).float(), 2)


def load_into(network: EncoderDecoder, path: Path) -> dict[str, str]:
    """Take the weights of a file; its metadata. ValueError if they are not of such a network."""
    metadata, tensors = read_tensors(path)
    state = {name: torch.from_numpy(values.copy()) for name, values in tensors.items()}
    if {name: p.shape for name, p in state.items()} != {n: p.shape for n, p in network.state_dict().items()}:
        raise ValueError(f"{path} does not hold the weights of such a network: give a file that this has written")
    network.load_state_dict(state)
    return metadata
