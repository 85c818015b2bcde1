"""Each foreign layout, built from its description with random weights, gives the same pixels here as there."""

import pickle

import pytest
import torch
from torch import nn

from engine.importing import import_weights
from engine.torch7 import TorchObject
from engine.weights import load_weights, save_weights
from tests.engine.foreign_networks import MEAN, GlcicPyTorch, Mmagic, Original, agrees, randomised
from tests.engine.made_torch7 import t7


def as_torch7(model):
    """A network as Lua's nn keeps it, with all weights in one storage as after getParameters."""
    modules = {}
    flat = torch.cat([p.flatten() for p in model.parameters()])
    used = 0

    def shared(parameter):
        nonlocal used
        used += parameter.numel()
        return flat[used - parameter.numel() : used].view(parameter.shape)

    for i, part in enumerate(model, 1):
        fields = {"train": False, "_type": "torch.FloatTensor"}
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            fields |= {"weight": shared(part.weight), "bias": shared(part.bias)}
            for axis, letter in enumerate("HW"):
                fields |= {f"k{letter}": part.kernel_size[axis], f"d{letter}": part.stride[axis]}
                fields |= {f"pad{letter}": part.padding[axis]}
                if part.dilation[axis] > 1:
                    fields |= {f"dilation{letter}": part.dilation[axis]}
            name = "SpatialDilatedConvolution" if part.dilation[0] > 1 else "SpatialConvolution"
            name = "SpatialFullConvolution" if isinstance(part, nn.ConvTranspose2d) else name
        elif isinstance(part, nn.BatchNorm2d):
            name = "SpatialBatchNormalization"
            fields |= {"weight": shared(part.weight), "bias": shared(part.bias), "eps": part.eps, "affine": True}
            fields |= {"running_mean": part.running_mean, "running_var": part.running_var}
        else:
            name = type(part).__name__
        modules[i] = TorchObject(f"nn.{name}", fields)
    return TorchObject("nn.Sequential", {"modules": modules, "train": False})


@pytest.mark.parametrize("nested", [False, True])
def test_glcic_pytorch(tmp_path, nested):
    foreign = randomised(GlcicPyTorch())
    assert len(foreign.state_dict()) == 114
    torch.save({"state_dict": foreign.state_dict()} if nested else foreign.state_dict(), tmp_path / "model_cn")
    ours = import_weights(tmp_path / "model_cn", MEAN, 160, (48, 96))
    agrees(foreign, ours)
    assert ours.spec.mean_pixel == MEAN
    assert ours.spec.hole_size == (48, 96)


@pytest.mark.parametrize("zipped", [False, True])
def test_mmagic(tmp_path, zipped):
    foreign = randomised(Mmagic())
    state = foreign.state_dict() | {"disc.fc.bias": torch.zeros(1)}
    content = {"meta": {"version": "0.5"}, "state_dict": state, "optimizer": {}}
    torch.save(content, tmp_path / "gl.pth", _use_new_zipfile_serialization=zipped)
    agrees(foreign, import_weights(tmp_path / "gl.pth"))


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
def test_torch7(tmp_path, eps):
    foreign = randomised(Original(eps))
    (tmp_path / "net.t7").write_bytes(t7({"model": as_torch7(foreign.model), "mean": torch.tensor(MEAN)}))
    ours = import_weights(tmp_path / "net.t7")
    agrees(foreign, ours)
    assert ours.spec.mean_pixel == pytest.approx(MEAN)


def test_torch7_mean_as_a_table_and_nested_sequences(tmp_path):
    foreign = randomised(Original())
    modules = as_torch7(foreign.model).fields["modules"]
    parts = [{i + 1: modules[n] for i, n in enumerate(numbers)} for numbers in (range(1, 20), range(20, 51))]
    nested = {i + 1: TorchObject("nn.Sequential", {"modules": part}) for i, part in enumerate(parts)}
    model = TorchObject("nn.Sequential", {"modules": nested})
    (tmp_path / "net.t7").write_bytes(t7({"mean": {1: MEAN[0], 2: MEAN[1], 3: MEAN[2]}, "model": model}))
    agrees(foreign, import_weights(tmp_path / "net.t7"))


def test_what_was_imported_can_be_kept_and_says_where_it_is_from(tmp_path):
    foreign = randomised(Mmagic())
    torch.save(foreign.state_dict(), tmp_path / "gl.pth")
    save_weights(tmp_path / "gl.safetensors", import_weights(tmp_path / "gl.pth"))
    ours = load_weights(tmp_path / "gl.safetensors")
    agrees(foreign, ours)
    assert ours.spec.provenance["imported_from"]["file"] == "gl.pth"


def refused(path, *words, **options):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words are checked below
        import_weights(path, **options)
    for word in words:
        assert word in str(error.value)


def test_refused_for_what_it_is(tmp_path):
    path = tmp_path / "file"
    refused(path, "there is no file")
    path.write_bytes(b"")
    refused(path, "Expected", "found")
    path.write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    refused(path, "Expected", "GLCIC-PyTorch", "MMagic", "Torch7", "found", "89 50 4e 47")
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    refused(path, "Expected", "deconv13.weight", "found", "features.0.weight")
    torch.save([torch.zeros(3)], path)
    refused(path, "Expected", "found", "list")
    path.write_bytes(path.read_bytes()[:200])
    refused(path, "not a whole PyTorch file")
    path.write_bytes(t7({"encoder": 1.0}))
    refused(path, "model and mean", "encoder")


def test_a_cut_file_of_the_old_format_is_refused(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"state_dict": {"a": torch.zeros(3)}}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        refused(path, str(path))
    path.write_bytes(whole[:4])
    refused(path, "not a whole PyTorch file: EOFError")


def test_any_damage_is_refused(tmp_path, monkeypatch):
    """Which of these torch raises depends on where the damage is, and on the version."""
    path = tmp_path / "old.pth"
    torch.save([], path)
    for kind in (TypeError, AttributeError, AssertionError, IndexError, KeyError):

        def failing(*args, kind=kind, **options):
            raise kind("damage")

        monkeypatch.setattr(torch, "load", failing)
        refused(path, "not a whole PyTorch file", "damage")


class Harmful:
    """Would make a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_pytorch_file_does_not_run(tmp_path):
    torch.save({"state_dict": {}, "meta": Harmful(tmp_path / "written")}, tmp_path / "model.pth")
    refused(tmp_path / "model.pth", "could run code")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Harmful(tmp_path / "written"), protocol=2))
    refused(tmp_path / "plain.pkl", "could run code")
    assert not (tmp_path / "written").exists()


def test_networks_that_differ_are_refused(tmp_path):
    path = tmp_path / "file"
    state = randomised(GlcicPyTorch()).state_dict()
    torch.save(state | {"conv5.weight": torch.zeros(16, 16, 5, 5)}, path)
    refused(path, "blocks.4.conv.weight", "(16, 16, 5, 5)", mean_pixel=MEAN)
    torch.save({name: tensor for name, tensor in state.items() if name != "bn7.bias"}, path)
    refused(path, "bn7.bias", mean_pixel=MEAN)
    torch.save(state | {"conv1.weight": torch.zeros(())}, path)
    refused(path, "first convolution", mean_pixel=MEAN)


def test_the_mean_is_asked_for_where_it_is_needed_and_nowhere_else(tmp_path):
    torch.save(randomised(GlcicPyTorch()).state_dict(), tmp_path / "model_cn")
    refused(tmp_path / "model_cn", "config.json", "--mean")
    torch.save(randomised(Mmagic()).state_dict(), tmp_path / "gl.pth")
    refused(tmp_path / "gl.pth", "leave --mean and --config out", mean_pixel=MEAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda modules: modules[19].fields.update(dilationW=4), ("dilationW of layer 7 is 4", "not 2")),
        (lambda modules: modules.update({3: TorchObject("nn.ELU")}), ("module 3 is nn.ELU", "should be ReLU")),
        (lambda modules: modules.pop(50), ("module 50 is missing", "should be Sigmoid")),
        (lambda modules: modules[2].fields.pop("running_var"), ("no running_var",)),
        (lambda modules: modules[1].fields.update(weight=torch.zeros(4, 3, 5, 5)), ("(4, 3, 5, 5)",)),
    ],
)
def test_torch7_networks_that_differ_are_refused(tmp_path, change, words):
    model = as_torch7(randomised(Original()).model)
    change(model.fields["modules"])
    (tmp_path / "net.t7").write_bytes(t7({"model": model, "mean": torch.tensor(MEAN)}))
    refused(tmp_path / "net.t7", *words)
