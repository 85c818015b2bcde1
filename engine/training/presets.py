"""The presets: the paper's two variants, and smaller networks for smaller machines."""

from dataclasses import replace

from engine.training.config import TrainConfig

PLACES2 = TrainConfig()

CELEBA = replace(
    PLACES2,
    preset="celeba",
    crop_size=160,
    shorter_edge=(160, 160),
    hole_size=(48, 96),
    patch_size=96,
    iterations=300_000,
)
"""The paper's face variant: 160x160 crops, a global discriminator one layer shallower."""

SMALL64 = replace(
    PLACES2,
    preset="small64",
    crop_size=64,
    shorter_edge=(64, 96),
    hole_size=(16, 32),
    patch_size=32,
    iterations=100_000,
    split=(18, 2, 80),
)
"""The paper's completion network at 64x64, for experiments."""

LITE = replace(
    PLACES2,
    preset="lite",
    crop_size=128,
    shorter_edge=(128, 192),
    hole_size=(48, 64),
    patch_size=64,
    base_width=16,
    discriminator_width=16,
    discriminator_features=256,
    batch=16,
    optimizer="adam",
    iterations=40_000,
    split=(60, 2, 38),
    ema=0.999,
    flip=True,
    fill="smooth",
    output="residual",
    hole_kind="mixed",
    reduction="log_mean",
    blended_loss=True,
    alpha=0.005,
    learning_rate=1e-3,
    discriminator_learning_rate=4e-4,
)
"""A quarter of the width, on 128x128: hours on a CPU in place of weeks on a GPU.

With the paper's loss so narrow a network learns next to nothing beyond its smooth fill in that time: most of the error
in a batch is that of a few busy holes (engine/default_weights/README.md). The logarithm's gradients are larger than the
paper's, and alpha is with them: it is the largest that was seen to cost no PSNR, and sharpens edges. Of 0.005, 0.02 and
0.1, the last two brought textures, garish ones, and cost 1 dB.
"""

DEMO = replace(
    LITE,
    preset="demo",
    crop_size=64,
    shorter_edge=(64, 96),
    hole_size=(16, 32),
    patch_size=32,
    base_width=8,
    discriminator_width=8,
    discriminator_features=64,
    batch=8,
    iterations=400,
    split=(70, 5, 25),
    time_limit=1.0,
    ema=0.98,
    log_every=10,
    picture_every=200,
    checkpoint_every=200,
)
"""Under a minute on two CPU cores: shows that everything works, not what it can do."""

PRESETS = {config.preset: config for config in (PLACES2, CELEBA, SMALL64, LITE, DEMO)}
