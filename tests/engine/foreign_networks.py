"""Other implementations' networks, built from their descriptions with random weights, and what they complete."""

from collections import OrderedDict

import torch
from torch import nn

MEAN = (0.45, 0.5, 0.375)
WIDTH = 4

# in, out (in units of the width / 2), kernel, stride, dilation, transposed: the paper's Table 1, written out again.
LAYERS = [
    (None, 2, 5, 1, 1, False),
    (2, 4, 3, 2, 1, False),
    (4, 4, 3, 1, 1, False),
    (4, 8, 3, 2, 1, False),
    (8, 8, 3, 1, 1, False),
    (8, 8, 3, 1, 1, False),
    (8, 8, 3, 1, 2, False),
    (8, 8, 3, 1, 4, False),
    (8, 8, 3, 1, 8, False),
    (8, 8, 3, 1, 16, False),
    (8, 8, 3, 1, 1, False),
    (8, 8, 3, 1, 1, False),
    (8, 4, 4, 2, 1, True),
    (4, 4, 3, 1, 1, False),
    (4, 2, 4, 2, 1, True),
    (2, 1, 3, 1, 1, False),
]


def convolution(number, bias=True):
    """The convolution of layer `number`, counted from 1; 17 is the output's."""
    if number == 17:
        return nn.Conv2d(WIDTH // 2, 3, 3, padding=1)
    i, o, kernel, stride, dilation, transposed = LAYERS[number - 1]
    i, o = 4 if i is None else i * WIDTH // 2, o * WIDTH // 2
    if transposed:
        return nn.ConvTranspose2d(i, o, kernel, stride, padding=1, bias=bias)
    return nn.Conv2d(i, o, kernel, stride, padding=dilation * (kernel - 1) // 2, dilation=dilation, bias=bias)


def norm(number, eps=1e-5):
    return nn.BatchNorm2d(LAYERS[number - 1][1] * WIDTH // 2, eps=eps)


def randomised(module):
    """Weights and batch-norm statistics as after training: nothing is an identity, and the output is not flat."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            shape = part.weight.shape
            part.weight.data = 0.5 + torch.rand(shape, generator=generator)
            part.bias.data = 0.5 * torch.randn(shape, generator=generator)
            part.running_mean = 0.3 * torch.randn(shape, generator=generator)
            part.running_var = 0.2 + torch.rand(shape, generator=generator)
        elif isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = part.weight.numel() / part.out_channels
            part.weight.data = torch.randn(part.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if part.bias is not None:
                part.bias.data = 0.2 * torch.randn(part.bias.shape, generator=generator)
    return module.eval().requires_grad_(False)


class GlcicPyTorch(nn.Module):
    """conv1, bn1, ... deconv13, bn13, ... conv17; batch norm after the ReLU; sigmoid."""

    def __init__(self):
        super().__init__()
        for n in range(1, 17):
            self.add_module(f"{'deconv' if LAYERS[n - 1][5] else 'conv'}{n}", convolution(n))
            self.add_module(f"bn{n}", norm(n))
        self.conv17 = convolution(17)

    def forward(self, x):
        for n in range(1, 17):
            conv = getattr(self, f"conv{n}", None) or getattr(self, f"deconv{n}")
            x = getattr(self, f"bn{n}")(torch.relu(conv(x)))
        return torch.sigmoid(self.conv17(x))

    def complete(self, image_N3HW, mask_N1HW):
        mean = torch.tensor(MEAN).view(1, 3, 1, 1)
        holed = image_N3HW - image_N3HW * mask_N1HW + mean * mask_N1HW
        return self(torch.cat((holed, mask_N1HW), 1))


class Mmagic(nn.Module):
    """generator.{encoder.enc, dilation_neck.dilation_convs., decoder.dec}; no bias before a norm; BGR in [-1, 1]."""

    def __init__(self):
        super().__init__()

        def unit(n):
            return nn.Sequential(OrderedDict(conv=convolution(n, bias=False), bn=norm(n), activate=nn.ReLU()))

        parts = OrderedDict(
            encoder=nn.Sequential(OrderedDict((f"enc{n}", unit(n)) for n in range(1, 7))),
            dilation_neck=nn.Sequential(
                OrderedDict(dilation_convs=nn.Sequential(*(unit(n) for n in range(7, 11)))),
            ),
            decoder=nn.Sequential(
                OrderedDict(
                    [
                        *((f"dec{n - 10}", unit(n)) for n in range(11, 17)),
                        ("dec7", nn.Sequential(OrderedDict(conv=convolution(17)))),
                    ]
                )
            ),
        )
        self.generator = nn.Sequential(parts)

    def complete(self, image_N3HW, mask_N1HW):
        bgr = (image_N3HW.flip(1) * 255 - 127.5) / 127.5
        generated = self.generator(torch.cat((bgr * (1 - mask_N1HW), mask_N1HW), 1)).clamp(-1, 1)
        return (generated * 127.5 + 127.5).flip(1) / 255


class Original(nn.Module):
    """A plain sequence; what it reads has the mean taken away, so that holes are 0; sigmoid."""

    def __init__(self, eps=1e-5):
        super().__init__()
        parts = [part for n in range(1, 17) for part in (convolution(n), norm(n, eps), nn.ReLU())]
        self.model = nn.Sequential(*parts, convolution(17), nn.Sigmoid())

    def complete(self, image_N3HW, mask_N1HW):
        centred = (image_N3HW - torch.tensor(MEAN).view(1, 3, 1, 1)).masked_fill(mask_N1HW.bool(), 0)
        return self.model(torch.cat((centred, mask_N1HW), 1))


def agrees(foreign, ours):
    """Foreign pixels, through the foreign preprocessing, against this engine's."""
    generator = torch.Generator().manual_seed(0)
    image_N3HW = torch.rand((2, 3, 40, 52), generator=generator)
    mask_N1HW = torch.zeros((2, 1, 40, 52))
    mask_N1HW[0, :, 10:30, 12:40] = 1
    mask_N1HW[1, :, 0:17, 33:52] = 1
    mean = torch.tensor(ours.spec.mean_pixel).view(1, 3, 1, 1)
    holed_N4HW = torch.cat((image_N3HW * (1 - mask_N1HW) + mean * mask_N1HW, mask_N1HW), 1)
    with torch.no_grad():
        expected, found = foreign.complete(image_N3HW, mask_N1HW), ours(holed_N4HW)
    assert expected.std() > 0.02, "a flat output would prove nothing"
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
