"""LPIPS and FID against torchmetrics, and the files that they read. The networks have random weights or stand-ins."""

import numpy as np
import pytest
import skimage.data
import torch
import torchmetrics.functional.image.lpips as reference
from safetensors.torch import save_file
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from engine.learned_metrics import INCEPTION_FEATURES, Fid, Lpips, frechet_distance
from tests.engine.scripted_network import Scripted

PHOTO = skimage.data.astronaut()[100:228, 150:300].copy()


@pytest.fixture(scope="module")
def alexnet():
    """A state dict as torchvision's AlexNet has, with its classifier's tensors left out but for one."""
    torch.manual_seed(0)
    return Lpips().state_dict() | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def alexnet_file(alexnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    torch.save(alexnet, path)
    return path


def distorted(amount, seed=0):
    noise = np.random.default_rng(seed).normal(0, amount, PHOTO.shape)
    return np.clip(PHOTO + noise, 0, 255).astype(np.uint8)


def test_lpips_equals_that_of_torchmetrics(alexnet_file, monkeypatch):
    ours = Lpips.load(alexnet_file)
    # torchmetrics takes the features from torchvision, whose layers ours are; all that follows is its own.
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda name, pretrained: ours.features)
    theirs = reference._LPIPS(net="alex", pnet_rand=True)
    images = [torch.from_numpy(distorted(a)).permute(2, 0, 1).float() / 255 for a in (3, 20, 60)]
    completed_N3HW = torch.stack(images)
    original_N3HW = (torch.from_numpy(PHOTO).permute(2, 0, 1).float() / 255).expand_as(completed_N3HW)
    with torch.no_grad():
        expected = theirs(completed_N3HW, original_N3HW, normalize=True).flatten()
    torch.testing.assert_close(ours(completed_N3HW, original_N3HW), expected, rtol=1e-4, atol=1e-7)
    assert expected.max() > 2 * expected.min() > 0


def test_lpips_of_photos(alexnet, alexnet_file, tmp_path):
    ours = Lpips.load(alexnet_file)
    assert ours.between(PHOTO.copy(), PHOTO) == 0
    near, far = ours.between(distorted(5), PHOTO), ours.between(distorted(60), PHOTO)
    assert 0 < near < far
    save_file(alexnet, tmp_path / "alexnet.safetensors")
    assert Lpips.load(tmp_path / "alexnet.safetensors").between(distorted(5), PHOTO) == pytest.approx(near)


def test_lpips_refuses_other_files(alexnet, tmp_path):
    with pytest.raises(ValueError, match=r"there is no file of AlexNet weights at .*none\.pth"):
        Lpips.load(tmp_path / "none.pth")
    torch.save(alexnet | {"features.3.weight": torch.zeros(192, 64, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"does not hold AlexNet .* features\.3\.weight$"):
        Lpips.load(tmp_path / "other.pth")


@pytest.mark.parametrize("counts", [(7, 9), (60, 200)])
def test_the_frechet_distance_equals_that_of_torchmetrics(counts):
    class Given(nn.Identity):
        num_features = 24

    torch.manual_seed(1)
    one_ND, other_ND = torch.randn(counts[0], 24) @ torch.randn(24, 24), 2 * torch.randn(counts[1], 24) + 1
    metric = FrechetInceptionDistance(Given())
    metric.update(one_ND, real=True)
    metric.update(other_ND, real=False)
    assert frechet_distance(one_ND, other_ND) == pytest.approx(float(metric.compute()), rel=1e-4)
    assert frechet_distance(one_ND, one_ND) == pytest.approx(0, abs=1e-6)


class Pair(nn.Module):
    """Another network: it gives no tensor."""

    def forward(self, photo: Tensor, return_features: bool = False) -> tuple[Tensor, Tensor]:
        return photo, photo


def test_fid_ranks_what_was_added(tmp_path):
    torch.jit.save(torch.jit.script(Scripted(INCEPTION_FEATURES)), tmp_path / "inception.pt")
    fid = Fid.load(tmp_path / "inception.pt")
    for seed in range(4):
        fid.add("originals", PHOTO[seed:, seed:])
        fid.add("near", distorted(5, seed)[seed:, seed:])
        fid.add("far", distorted(200, seed)[seed:, seed:])
    assert 0 < fid.distance("near", "originals") < fid.distance("far", "originals")
    assert fid.distance("originals", "originals") == pytest.approx(0, abs=1e-3)


def test_fid_refuses_other_files(tmp_path):
    with pytest.raises(ValueError, match="there is no Inception network at"):
        Fid.load(tmp_path / "none.pt")
    (tmp_path / "broken.pt").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"broken\.pt is not the Inception network"):
        Fid.load(tmp_path / "broken.pt")
    torch.jit.save(torch.jit.script(Scripted(64)), tmp_path / "short.pt")
    torch.jit.save(torch.jit.script(Pair()), tmp_path / "pair.pt")
    with pytest.raises(ValueError, match=r"pair\.pt is not the Inception network"):
        Fid.load(tmp_path / "pair.pt")
    with pytest.raises(ValueError, match=r"\(1, 64\); it must be \(1, 2048\)"):
        Fid.load(tmp_path / "short.pt")
