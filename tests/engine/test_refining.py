"""Training of the refinement network: its samples, the terms of its loss, and the command."""

import json

import numpy as np
import pytest
import torch

from data.catalog import Catalog
from engine.efficientnet import LiteFeatures
from engine.inference.texture import refinement
from engine.quality import FeatureDistance, sharpness
from engine.refining import __main__ as command
from engine.refining import trainer
from engine.refining.losses import (
    ENOUGH,
    LEAST_ENERGY,
    LEAST_STIPPLE,
    distance,
    gradient_energy,
    stipple,
    taken_for,
    terms,
)
from engine.refining.network import Discriminator, RefinementNetwork
from engine.refining.samples import LEAST, SIDE, write_samples
from engine.refining.shades import shade_from_border
from engine.weights import DEFAULT_WEIGHTS, read_tensors


@pytest.fixture(scope="module")
def samples_file(shipped_photos, tmp_path_factory):
    """Five samples of scikit-image's photographs."""
    folder = tmp_path_factory.mktemp("refinement")
    for name in ("astronaut", "coffee", "chelsea"):
        (folder / f"{name}.png").symlink_to(shipped_photos / f"{name}.png")
    assert list(write_samples(Catalog.open(folder), folder / "drawn.npy", 5, seed=0)) == [0, 1, 2, 3, 4]
    return folder / "drawn.npy"


def test_samples_differ_from_the_photo_in_the_hole_alone(samples_file):
    samples_NSSC = np.load(samples_file)
    assert samples_NSSC.shape == (5, SIDE, SIDE, 10)
    for sample_SSC in samples_NSSC:
        drawn, completed, original, hole_SS = [*np.split(sample_SSC[..., :9], 3, axis=2), sample_SSC[..., 9] > 0]
        assert hole_SS.sum() >= LEAST
        for image_SS3 in (drawn, completed):
            assert np.array_equal(image_SS3[~hole_SS], original[~hole_SS])
            assert np.abs(image_SS3[hole_SS].astype(int) - original[hole_SS]).mean() > 1
        assert np.abs(drawn[hole_SS].astype(int) - completed[hole_SS]).mean() > 1, "patches are not the network's"


def images():
    """Two images of 96x96 in [0, 1], rough and smooth, and a hole."""
    generator = torch.Generator().manual_seed(0)
    rough_13HW = torch.rand(1, 3, 96, 96, generator=generator)
    smooth_13HW = torch.nn.functional.avg_pool2d(rough_13HW, 5, stride=1, padding=2, count_include_pad=False)
    hole_11HW = torch.zeros(1, 1, 96, 96)
    hole_11HW[..., 20:70, 30:60] = 1
    return rough_13HW, smooth_13HW, hole_11HW


def pixels(image_13HW):
    return (image_13HW[0].permute(1, 2, 0) * 255).round().byte().numpy()


def test_gradient_energy_is_the_sharpness_that_is_reported():
    image_13HW, _, hole_11HW = images()
    grey_13HW = image_13HW.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    found = gradient_energy(grey_13HW, hole_11HW) - LEAST_ENERGY
    assert float(found) == pytest.approx(sharpness(pixels(grey_13HW), hole_11HW[0, 0].numpy() > 0), rel=0.08)


def test_the_distance_is_the_feature_distance_that_is_reported():
    rough_13HW, smooth_13HW, hole_11HW = images()
    found = distance(LiteFeatures.load(), smooth_13HW, rough_13HW, hole_11HW)
    reported = FeatureDistance.load()(pixels(smooth_13HW), pixels(rough_13HW), hole_11HW[0, 0].numpy() > 0)
    assert float(found) == pytest.approx(reported, rel=0.05), "in bf16, and not around the hole alone"


def test_blur_and_excess_count_and_neither_where_it_is_as_sharp():
    rough_13HW, smooth_13HW, hole_11HW = images()
    features = LiteFeatures.load()
    # Refined, drawn, original.
    blurred = terms(features, smooth_13HW, rough_13HW, rough_13HW, hole_11HW)
    rough = terms(features, rough_13HW, rough_13HW, smooth_13HW, hole_11HW)
    same = terms(features, smooth_13HW, rough_13HW, smooth_13HW, hole_11HW)
    assert float(blurred.blur_N) == pytest.approx(-float(torch.log(blurred.sharpness_N / ENOUGH)))
    assert float(blurred.excess_N) == 0 == float(rough.blur_N)
    assert float(rough.excess_N) == pytest.approx(float(torch.log(rough.sharpness_N)))
    assert float(same.blur_N) == 0 == float(same.excess_N) == float(same.error_N) == float(same.stipple_N)
    assert float(rough.stipple_N) > 1


@pytest.mark.parametrize("pattern", range(3), ids=["chessboard", "rows", "columns"])
def test_stipple_is_the_energy_of_what_repeats_every_second_pixel(pattern):
    down_HW, right_HW = np.mgrid[:64, :64]
    waves = [(-1.0) ** (down_HW + right_HW), (-1.0) ** down_HW, (-1.0) ** right_HW]
    image_13HW = torch.from_numpy(0.5 + 0.02 * waves[pattern]).float().expand(1, 3, -1, -1)
    hole_11HW = torch.zeros(1, 1, 64, 64)
    hole_11HW[..., 10:50, 10:50] = 1
    found_3 = (stipple(image_13HW, hole_11HW)[0] - LEAST_STIPPLE).tolist()
    # The mean of 3x3 pixels takes a part of it away, and that of 5x5 the sign of what does not fit.
    share = {0: 1 - 1 / 9, 1: 1 + 1 / 3, 2: 1 + 1 / 3}[pattern]
    assert found_3[pattern] == pytest.approx((255 * 0.02 * share) ** 2, rel=0.02)
    assert sum(found_3) - found_3[pattern] < 0.1 * found_3[pattern]


def test_the_discriminator_learns_to_tell_two_images_apart_where_the_hole_is():
    photo_13HW, blurred_13HW, hole_11HW = images()
    torch.manual_seed(0)
    discriminator = Discriminator()
    optimiser = torch.optim.Adam(discriminator.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = taken_for(True, discriminator, photo_13HW, hole_11HW)
        loss = loss + taken_for(False, discriminator, blurred_13HW, hole_11HW)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert taken_for(True, discriminator, photo_13HW, 0 * hole_11HW).item() == 0


def test_an_untrained_network_mixes_in_a_tenth_of_the_completion():
    drawn_13HW, completed_13HW, hole_11HW = images()
    refined_13HW = RefinementNetwork()(drawn_13HW, completed_13HW, hole_11HW)
    share = 1 / (1 + np.exp(2.2))
    wanted_13HW = drawn_13HW + share * hole_11HW * (completed_13HW - drawn_13HW)
    assert torch.allclose(refined_13HW, wanted_13HW, atol=1e-6)


def test_shades_along_the_border_are_about_those_of_inference():
    hole_HW = np.hypot(*np.mgrid[-40:40, -50:50]) < 30
    change_HW3 = np.random.default_rng(0).normal(0.1, 0.05, (80, 100, 3)).astype(np.float32) * hole_HW[..., None]
    change_HW3[:, 50:] *= -1
    wanted_HW3 = refinement.shade_from_border(change_HW3, hole_HW, ~hole_HW)
    hole_11HW = torch.from_numpy(hole_HW.astype(np.float32))[None, None]
    shade_13HW = shade_from_border(torch.from_numpy(change_HW3).permute(2, 0, 1)[None], hole_11HW)
    difference_HW3 = shade_13HW[0].permute(1, 2, 0).numpy() - wanted_HW3
    assert np.abs(difference_HW3[hole_HW]).mean() < 0.3 * np.abs(wanted_HW3[hole_HW]).mean()
    assert np.abs(wanted_HW3[hole_HW]).mean() > 0.03


def test_the_command_trains_and_goes_on_from_its_weights(samples_file, tmp_path, monkeypatch, capsys):
    for module in (command, trainer):
        monkeypatch.setattr(module, "JUDGED", 2)
    config = {"photos": samples_file.parent, "drawn": samples_file, "iterations": 2, "batch": 2, "learning_rate": 1e-4}
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    command.main(command.Config(**config, out=first))
    command.main(command.Config(**config, out=second, init=first))
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in said] == ["2/2", "2/2"]
    shapes = {name: tuple(p.shape) for name, p in RefinementNetwork().state_dict().items()}
    assert {name: values.shape for name, values in read_tensors(first)[1].items()} == shapes
    with pytest.raises(ValueError, match="does not hold the weights of such a network"):
        command.main(command.Config(**config, out=second, init=DEFAULT_WEIGHTS))
    stages = json.loads(read_tensors(second)[0][trainer.STAGES])
    assert [stage["iterations"] for stage in stages] == [2, 2]
    assert not np.array_equal(read_tensors(first)[1]["near.weight"], read_tensors(second)[1]["near.weight"])
