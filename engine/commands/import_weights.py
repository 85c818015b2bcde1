"""engine-import: weights that were trained with another implementation of the paper, as a file for this engine.

    engine-import completionnet_places2.t7 --out places2.safetensors
    engine-import gl_256x256_8x12_places.pth --out places.safetensors
    engine-import model_cn --config config.json --out celeba.safetensors

These are files of the paper's authors (Torch7), of MMagic (Global&Local), and of GLCIC-PyTorch. The weights stay under
the licence that their authors gave them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from engine.commands.ending import ends_in_a_line
from engine.importing import import_weights
from engine.weights import save_weights


@dataclass(kw_only=True, slots=True)
class ImportConfig:
    """The options of engine-import."""

    weights: tyro.conf.Positional[Path]
    """The foreign file."""

    out: Path
    """The safetensors file to write."""

    config: Path | None = None
    """GLCIC-PyTorch only: the config.json that its training wrote beside the weights."""

    mean: str | None = None
    """GLCIC-PyTorch only, where config.json is lost: R,G,B that holes were filled with, each between 0 and 1."""

    overwrite: bool = False
    """Replace the output if it exists."""

    def __post_init__(self) -> None:
        if self.config and self.mean:
            raise ValueError("--config and --mean are both given; give one of them")
        if self.out.exists() and not self.overwrite:
            raise ValueError(f"{self.out} exists; give another --out, or --overwrite to replace it")


@ends_in_a_line("engine-import")
def main() -> None:
    """The command line."""
    config = tyro.cli(ImportConfig, prog="engine-import", description=__doc__)
    network = import_weights(config.weights, **training_of(config))
    save_weights(config.out, network)
    spec, source = network.spec, network.spec.provenance["imported_from"]
    print(
        f"{config.out}: {source['layout']}, base width {spec.base_width}, {spec.norm_order}, "
        f"output {spec.output}, holes of {spec.hole_size[0]} to {spec.hole_size[1]} px filled with "
        f"{', '.join(f'{value:.4f}' for value in spec.mean_pixel)}\n"
        f"weights of this layout are published under {source['published_under']}; the licence of yours stays as it is"
    )


def training_of(config: ImportConfig) -> dict[str, Any]:
    """The spec of the training that made the weights, as the user gives it."""
    if config.config:
        return read_training_config(config.config)
    return {"mean_pixel": parse_mean(config.mean)} if config.mean else {}


def parse_mean(text: str) -> tuple[float, ...]:
    """R,G,B."""
    try:
        mean = tuple(float(part) for part in text.split(","))
    except ValueError:
        mean = ()
    if len(mean) != 3 or not all(0 <= value <= 1 for value in mean):
        raise ValueError(f"--mean is {text!r}; it must be R,G,B, each between 0 and 1, such as 0.45,0.43,0.39")
    return mean


def read_training_config(path: Path) -> dict[str, Any]:
    """Mean pixel, side of the crops and sizes of the holes in GLCIC-PyTorch's config.json."""
    try:
        values = json.loads(path.read_text())
        mean = tuple(float(value) for value in values["mpv"])
        if len(mean) != 3:
            raise ValueError(f"mpv has {len(mean)} values")
        smallest = min(int(values["hole_min_w"]), int(values["hole_min_h"]))
        largest = max(int(values["hole_max_w"]), int(values["hole_max_h"]))
        return {"mean_pixel": mean, "crop_size": int(values["cn_input_size"]), "hole_size": (smallest, largest)}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not GLCIC-PyTorch's config.json, which has mpv, cn_input_size and hole_min_w to hole_max_h "
            f"({error}); give the mean pixel with --mean R,G,B instead"
        ) from error


if __name__ == "__main__":
    main()
