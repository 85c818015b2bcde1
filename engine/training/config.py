"""The options of a training run: the options, their meaning and their limits."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from data.masks import HoleConfig
from engine.spec import CompletionSpec
from engine.training.limits import check_limits
from engine.training.on_off_or_auto import ON_OFF_OR_AUTO
from engine.training.phases import Schedule

T = TypeVar("T")
RARE = "rare"
Rare = Annotated[T, RARE]
"""An option that --help leaves to --help-all."""


@dataclass(kw_only=True, slots=True)
class TrainConfig:
    """Defaults are the paper's (section 3.4 and 4), that is, the preset `places2`."""

    preset: Literal["places2", "celeba", "small64", "lite", "demo"] = "places2"
    """Where the defaults of all other options come from; see `presets.py`."""

    photos: Path | None = None
    """Folder or catalog of training photographs. Default: $ENGINE_PHOTOS, then ./places2."""

    out: Path | None = None
    """Run folder: checkpoints, metrics, pictures and weights. Default: runs/PRESET."""

    resume: Annotated[bool | Literal["auto"], ON_OFF_OR_AUTO] = False
    """Continue from the newest good checkpoint in the run folder, with the options given now: a lower learning rate,
    another alpha or batch take effect; the networks, the optimizer and the seed must be those that it began with.
    `--resume auto` begins where there is no checkpoint yet, for a command that a batch system may start again."""

    init: Path | None = None
    """Weights to begin from in place of random ones: a file, or `default` for those that come with the engine. The
    completion network, its fill and its mean pixel are then theirs, whatever the options below."""

    fixed_batch_norm: Rare[bool] = False
    """Keep the completion network's batch norm statistics as --init has them, and train with them."""

    # --- photographs
    crop_size: int = 256
    """Side in pixels of the square crops."""

    shorter_edge: tuple[int, int] = (256, 384)
    """The photo's shorter edge is resized to a random length in this range before the crop."""

    flip: bool = False
    """Mirror half of the crops."""

    loader: Rare[Literal["auto", "dali", "cpu"]] = "auto"
    """The library that decodes the photos."""

    workers: Rare[int] = 2
    """Decoding processes (or DALI threads) for each training process."""

    # --- holes
    hole_kind: Literal["box", "freeform", "mixed"] = "box"
    """Rectangles as in the paper, free-form strokes, or a random one of the two for each photo."""

    hole_size: tuple[int, int] = (96, 128)
    """Shortest and longest side of a hole in pixels."""

    hole_count: Rare[tuple[int, int]] = (1, 1)
    """Fewest and most rectangles in a photo."""

    patch_size: Rare[int] = 128
    """Side in pixels of the local discriminator's patch; holes lie inside it."""

    # --- networks
    base_width: int = 64
    """Channels of the completion network's first layer."""

    norm_order: Rare[Literal["norm_act", "act_norm"]] = "norm_act"
    """Batch norm before or after the activation."""

    output: Rare[Literal["sigmoid", "clip", "residual"]] = "sigmoid"
    """The end of the completion network; `residual` adds its output to what the hole was filled with."""

    fill: Rare[Literal["mean", "smooth", "learned"]] = "mean"
    """The fill of holes: the mean pixel (the paper), a smooth surface through their border, or the proposal of
    a small network, which is trained with the completion network as a part of it."""

    discriminator_width: Rare[int] = 64
    """Channels of the discriminators' first layer."""

    discriminator_features: Rare[int] = 1024
    """Features that each discriminator branch ends in."""

    discriminator_leak: Rare[float] = 0.0
    """Slope of the discriminators' activation below zero; 0 is the paper's ReLU."""

    # --- schedule
    iterations: int = 500_000
    """T_train: iterations of all three phases together."""

    completion_iterations: Rare[int] = 90_000
    """T_C: iterations of phase 1, the completion network alone."""

    discriminator_iterations: Rare[int] = 10_000
    """T_D: iterations of phase 2, the discriminator alone."""

    split: tuple[int, int, int] | None = None
    """Per cent of `iterations` for each phase, such as 18 2 80, in place of T_C and T_D."""

    time_limit: float | None = None
    """Stop after so many minutes, setting up and restarts included, with a checkpoint to resume from."""

    # --- losses and optimisers
    batch: int = 96
    """Photos in a batch, over all processes together."""

    reduction: Literal["hole_mean", "all_mean", "sum", "log_mean"] = "hole_mean"
    """The divisor of the squared error: the values in holes, all values, or nothing. The paper writes a squared
    norm; `hole_mean` (MMagic's) and `all_mean` (GLCIC-PyTorch's) are readings of it, and decide what alpha's 4e-4
    means. `log_mean` is the mean over photos of the logarithm of each one's error, so that the few busiest do not
    decide every step."""

    blended_loss: bool = False
    """Judge completions after Poisson blending, which is how engine-infer joins them to the photo by default."""

    alpha: float = 4e-4
    """Weight of the adversarial loss in the generator's."""

    alpha_on_discriminator: Rare[bool] = False
    """Weigh the discriminator's loss in the joint phase with alpha as well, as some implementations do."""

    perceptual: Literal["none", "efficientnet-lite0", "vgg16"] = "none"
    """The network whose features a perceptual loss on the hole compares: EfficientNet-Lite0 comes with the extra
    `train`, VGG-16 needs a file of weights. Nothing is downloaded."""

    perceptual_weights: Rare[Path | None] = None
    """VGG-16's weights in torchvision's layout (.pth or .safetensors); given alone, they mean --perceptual vgg16."""

    perceptual_weight: Rare[float | None] = None
    """Weight of the perceptual loss in the generator's. Default: 2 with EfficientNet-Lite0, 1e-3 with VGG-16."""

    perceptual_scale: Rare[tuple[float, float]] = (1.0, 1.0)
    """Patches are enlarged by a random factor in this range before the perceptual network sees them, another for each
    batch: large holes are completed at a lower resolution, and what is made there is seen enlarged."""

    pattern_weight: Rare[float] = 0.0
    """Weight in the generator's loss of regular patterns at the network's stride, which a perceptual loss brings."""

    optimizer: Literal["adadelta", "adam"] = "adadelta"
    """The paper's, or Adam."""

    learning_rate: float | None = None
    """Default: the preset's, if it has one and the optimizer is its own; else 1.0 for Adadelta, 2e-4 for Adam."""

    discriminator_learning_rate: Rare[float | None] = None
    """The same for the discriminator; default: the completion network's."""

    ema: float = 0.0
    """Decay of the moving average of the completion network's weights; 0 keeps none. Such as 0.999."""

    # --- machine
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where to train; auto is CUDA where there is a GPU."""

    gpus: int | None = None
    """GPUs to train on, a process for each. Default: one if there is one. Under torchrun, its processes count."""

    processes: Rare[int] = 1
    """Processes to train with where there is no GPU."""

    max_restarts: Rare[int] = 0
    """After the loss of a process, start all again from the newest checkpoint, so often at most."""

    amp: Annotated[bool | Literal["auto"], ON_OFF_OR_AUTO] = False
    """Mixed precision: bfloat16, or float16 with loss scaling on GPUs before sm_80. `--amp auto` leaves it out on CPUs
    that have no instructions for it, where it costs time."""

    compile: bool = False
    """Compile both networks with torch.compile: pays on a GPU, and after minutes."""

    compile_mode: Rare[Literal["default", "reduce-overhead", "max-autotune"]] = "default"
    """torch.compile's mode."""

    accumulate: Rare[int] = 1
    """Chunks that each process's batch is worked off in, to spare memory; batch norm then sees the chunks."""

    sync_batch_norm: Rare[bool] = False
    """Batch norm over the photos of all processes together."""

    deterministic: Rare[bool] = False
    """On a GPU, use only algorithms that give the same bits every time. On a CPU they all do."""

    kernels: Rare[Literal["auto", "triton", "reference"]] = "auto"
    """Fused Triton kernels or plain PyTorch."""

    seed: int = 0
    """Decides the first weights, the order of the photos, the crops and the holes."""

    # --- reports
    validate: Path | None = None
    """Photos, not of the training's, on which a run is judged by what people see: PSNR in the hole, sharpness, feature
    distance and texture distance join the metrics, and its pictures show these photos. None: not judged."""

    validate_every: Rare[int] = 500
    """Iterations between two such judgements. The network of the best one, by feature distance, is best.safetensors."""

    patience: int | None = None
    """Stop after so many judgements in a row that are no better than one before. None: train to the end."""

    mean_pixel_photos: Rare[int] = 2000
    """Photos that the mean pixel is computed from, at most."""

    log_every: Rare[int] = 20
    """Iterations between two lines of metrics."""

    picture_every: Rare[int] = 1000
    """Iterations between two pictures of input, hole and completion."""

    checkpoint_every: Rare[int] = 2000
    """Iterations between two checkpoints."""

    keep: Rare[int] = 3
    """Checkpoints kept."""

    def __post_init__(self) -> None:
        if self.perceptual_weights and self.perceptual == "none":
            self.perceptual = "vgg16"
        check_limits(self)

    def as_json(self) -> dict[str, Any]:
        """The options as JSON has them: paths are texts, and ranges lists."""
        return json.loads(json.dumps(asdict(self), default=str))

    @property
    def schedule(self) -> Schedule:
        """The lengths of the three phases."""
        if self.split is not None:
            completion, discriminator = (self.iterations * part // 100 for part in self.split[:2])
            return Schedule(completion, discriminator, self.iterations)
        return Schedule(self.completion_iterations, self.discriminator_iterations, self.iterations)

    @property
    def holes(self) -> HoleConfig:
        """The shapes of holes."""
        return HoleConfig(kind=self.hole_kind, size=self.hole_size, count=self.hole_count, region=self.patch_size)

    @property
    def weight_of_perceptual(self) -> float:
        """The weight of the perceptual loss, or the default of its network."""
        return self.perceptual_weight or (1e-3 if self.perceptual == "vgg16" else 2.0)

    @property
    def run_folder(self) -> Path:
        return self.out or Path("runs") / self.preset

    @property
    def checkpoint_folder(self) -> Path:
        """Where the run leaves its checkpoints."""
        return self.run_folder / "checkpoints"

    @property
    def weights_file(self) -> Path:
        """Where the run leaves its completion network."""
        return self.run_folder / "weights.safetensors"

    @property
    def best_file(self) -> Path:
        """Where a run that is judged leaves the completion network of the best judgement."""
        return self.run_folder / "best.safetensors"

    @property
    def photos_folder(self) -> Path:
        return self.photos or Path(os.environ.get("ENGINE_PHOTOS") or "places2")

    def spec(self, mean_pixel: tuple[float, float, float]) -> CompletionSpec:
        """The spec that the weights of this run are saved with."""
        return CompletionSpec(
            base_width=self.base_width,
            norm_order=self.norm_order,
            output=self.output,
            fill=self.fill,
            mean_pixel=mean_pixel,
            crop_size=self.crop_size,
            hole_size=self.hole_size,
        )
