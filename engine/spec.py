"""The completion network's layers, and what a weights file says of them: numbers alone, no library that computes them.

Shapes: N = photos in a batch, H and W = height and width in pixels.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, Self

STRIDE = 4
"""The completion network works on sides that are multiples of this: it halves the resolution twice."""

BATCH_NORM_EPS = 1e-5

RESIDUAL_MARGIN = 1 / 64
"""The least distance from 0 and 1 that a residual network takes its fill to have: closer, the sigmoid has hardly a
slope."""


class Layer(NamedTuple):
    """One row of the paper's Table 1. `width` is in units of the base width; `up` marks a transposed convolution."""

    width: float
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    up: bool = False

    @property
    def padding(self) -> int:
        """Zeros on each side, such that stride 1 keeps the size, stride 2 halves it and `up` doubles it."""
        return 1 if self.up else self.dilation * (self.kernel - 1) // 2


COMPLETION_LAYERS = (
    Layer(1, kernel=5),
    Layer(2, stride=2),
    Layer(2),
    Layer(4, stride=2),
    Layer(4),
    Layer(4),
    Layer(4, dilation=2),
    Layer(4, dilation=4),
    Layer(4, dilation=8),
    Layer(4, dilation=16),
    Layer(4),
    Layer(4),
    Layer(2, kernel=4, stride=2, up=True),
    Layer(2),
    Layer(1, kernel=4, stride=2, up=True),
    Layer(0.5),
)
"""The layers with batch norm and an activation; OUTPUT_LAYER follows them."""

FILL_LAYERS = (
    Layer(1, kernel=5, stride=2),
    Layer(2, stride=2),
    Layer(2, dilation=2),
    Layer(2, dilation=4),
    Layer(2, dilation=8),
    Layer(1, kernel=4, stride=2, up=True),
    Layer(1, kernel=4, stride=2, up=True),
)
"""The same of the network that proposes a fill: most of it at a quarter of the resolution, so that little arithmetic
(1 % of the paper's network) reaches from the border of a hole of 128 pixels to its middle."""

FILL_WIDTH = 16
"""The fill network's base width, whatever the completion network's: narrower ones give other bits in a window than in
the whole photo, see `engine.inference.windows.network`."""

OUTPUT_LAYER = Layer(0)
"""The 3x3 convolution to RGB."""


def input_interval(layer: Layer, first: int, last: int) -> tuple[int, int]:
    """The inputs that the outputs `first`..`last` (inclusive) of `layer` read, along one axis."""
    if layer.up:  # output o reads the inputs i with 0 <= o + padding - stride * i < kernel
        return -((layer.kernel - 1 - first - layer.padding) // layer.stride), (last + layer.padding) // layer.stride
    reach = layer.dilation * (layer.kernel - 1)
    return first * layer.stride - layer.padding, last * layer.stride - layer.padding + reach


def receptive_field_halo(layers: tuple[Layer, ...]) -> int:
    """Pixels around a region (aligned to STRIDE) that can influence the output inside it, rounded up to STRIDE."""
    first, last = 0, STRIDE - 1
    for layer in reversed(layers):
        first, last = input_interval(layer, first, last)
    halo = max(-first, last - (STRIDE - 1))
    return -(-halo // STRIDE) * STRIDE


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionSpec:
    """All that is needed to run a completion network's weights; stored as JSON in the weights file."""

    base_width: int = 64
    """Channels of the first layer: 64 is the paper's network, 16 is `lite`."""

    norm_order: Literal["norm_act", "act_norm"] = "norm_act"
    """Batch norm before the activation (the paper) or after it (some public weights)."""

    output: Literal["sigmoid", "clip", "residual"] = "sigmoid"
    """The step from the last convolution to RGB in [0, 1]: by a sigmoid (the paper), clamped to [-1, 1] and shifted, or
    as a change of what the hole was filled with, added before the sigmoid."""

    fill: Literal["mean", "smooth", "learned"] = "mean"
    """The fill of holes before the network sees them: the mean pixel (the paper), the smooth surface through
    their border (`kernels.smooth_fill`), or what a small network makes of the mean pixel (`FillNetwork`)."""

    input_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """RGB value taken from the input before the first layer; foreign weights expect it."""

    input_scale: float = 1.0
    """Factor on the shifted input."""

    mean_pixel: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """RGB in [0, 1] that holes are filled with: the mean pixel of the training photos."""

    crop_size: int = 256
    """Side in pixels of the squares that the network was trained on."""

    hole_size: tuple[int, int] = (96, 128)
    """Shortest and longest side in pixels of the holes that it was trained on."""

    provenance: dict[str, Any] = field(default_factory=dict)
    """Where the weights come from: data, iterations, licence. Free-form, JSON-serialisable."""

    def __post_init__(self) -> None:
        if self.base_width < 2 or self.base_width % 2:
            raise ValueError(f"base_width is {self.base_width}; it must be an even number of at least 2")
        if self.norm_order not in ("norm_act", "act_norm"):
            raise ValueError(f"norm_order is {self.norm_order!r}; it must be 'norm_act' or 'act_norm'")
        if self.output not in ("sigmoid", "clip", "residual"):
            raise ValueError(f"output is {self.output!r}; it must be 'sigmoid', 'clip' or 'residual'")
        if self.fill not in ("mean", "smooth", "learned"):
            raise ValueError(f"fill is {self.fill!r}; it must be 'mean', 'smooth' or 'learned'")
        if len(self.mean_pixel) != 3 or not all(0 <= value <= 1 for value in self.mean_pixel):
            raise ValueError(f"mean_pixel is {self.mean_pixel}; it must be three values in [0, 1]")

    @property
    def halo(self) -> int:
        """Border in pixels that a window needs for its inside to equal the whole photo's result."""
        fill = (*FILL_LAYERS, OUTPUT_LAYER) if self.fill == "learned" else ()
        return receptive_field_halo((*fill, *COMPLETION_LAYERS, OUTPUT_LAYER))

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict` after a trip through JSON. ValueError names a field it does not know."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"the weights' spec has fields this version does not know: {', '.join(unknown)}; upgrade")
        typed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**typed)


def tensor_shapes(spec: CompletionSpec) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's weights, by their names in `CompletionNetwork.state_dict()`."""
    shapes = shapes_of(COMPLETION_LAYERS, spec.base_width)
    if spec.fill == "learned":
        shapes |= {f"fill.{name}": shape for name, shape in shapes_of(FILL_LAYERS, FILL_WIDTH).items()}
    return shapes


def shapes_of(layers: tuple[Layer, ...], base_width: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights of `layers` on an input of 4 channels, and of the convolution to RGB after them."""
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = 4
    for n, layer in enumerate(layers):
        outputs = int(layer.width * base_width)
        channels = (inputs, outputs) if layer.up else (outputs, inputs)
        shapes[f"blocks.{n}.conv.weight"] = (*channels, layer.kernel, layer.kernel)
        shapes[f"blocks.{n}.conv.bias"] = (outputs,)
        shapes |= {f"blocks.{n}.norm.{name}": (outputs,) for name in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"blocks.{n}.norm.num_batches_tracked"] = ()
        inputs = outputs
    return shapes | {"to_rgb.weight": (3, inputs, 3, 3), "to_rgb.bias": (3,)}
