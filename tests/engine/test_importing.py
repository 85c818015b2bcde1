"""Each foreign layout, built from its description with random weights, gives the same pixels here as there."""

import io
import json
import pickle
import struct
import sys
from collections import OrderedDict
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.commands import import_weights as command
from engine.importing import import_weights
from engine.torch7 import TorchObject, read_t7
from engine.weights import load_weights, save_weights

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


class T7Writer:
    """Writes objects as Torch7 does: tables from dicts, modules from TorchObject, tensors from torch's."""

    def __init__(self):
        self.out = io.BytesIO()
        self.indices = {}
        self.kept = []

    def int(self, value):
        self.out.write(struct.pack("<i", value))

    def longs(self, *values):
        self.out.write(struct.pack(f"<{len(values)}q", *values))

    def text(self, text):
        self.int(len(text))
        self.out.write(text.encode())

    def known(self, kind, thing, key):
        """Begin an object that can come again; True if it has come before."""
        self.kept.append(thing)  # so that its id stays its own
        self.int(kind)
        before = key in self.indices
        self.int(self.indices.setdefault(key, len(self.indices) + 1))
        return before

    def write(self, thing):
        if thing is None:
            self.int(0)
        elif isinstance(thing, bool):
            self.int(5)
            self.int(int(thing))
        elif isinstance(thing, int | float):
            self.int(1)
            self.out.write(struct.pack("<d", thing))
        elif isinstance(thing, str):
            self.int(2)
            self.text(thing)
        elif isinstance(thing, dict):
            if not self.known(3, thing, id(thing)):
                self.int(len(thing))
                for key, value in thing.items():
                    self.write(key)
                    self.write(value)
        elif isinstance(thing, TorchObject):
            if not self.known(4, thing, id(thing)):
                self.text("V 1")
                self.text(thing.name)
                self.write(dict(thing.fields))
        elif isinstance(thing, torch.Tensor):
            self.tensor(thing)
        else:
            raise TypeError(thing)
        return self.out.getvalue()

    def tensor(self, tensor):
        name = {torch.float32: "Float", torch.float64: "Double", torch.int64: "Long", torch.uint8: "Byte"}[tensor.dtype]
        if self.known(4, tensor, id(tensor)):
            return
        self.text("V 1")
        self.text(f"torch.{name}Tensor")
        self.int(tensor.ndim)
        self.longs(*tensor.shape)
        self.longs(*tensor.stride())
        self.longs(tensor.storage_offset() + 1)
        storage = tensor.untyped_storage()
        if self.known(4, storage, storage.data_ptr()):
            return
        self.text("V 1")
        self.text(f"torch.{name}Storage")
        self.longs(storage.nbytes() // tensor.element_size())
        self.out.write(bytes(storage))


def t7(thing):
    return T7Writer().write(thing)


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


# The reader of Torch7 files.

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(st.characters(max_codepoint=126), max_size=9),
    lambda inner: st.dictionaries(st.integers(1, 99) | st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_t7_objects_come_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("t7") / "value.t7"
    path.write_bytes(t7(value))
    assert read_t7(path) == value


def test_t7_tensors_and_what_they_share(tmp_path):
    whole = torch.arange(24, dtype=torch.float32)
    tensors = [whole.view(2, 3, 4).transpose(0, 2), whole[5:9], torch.arange(3, dtype=torch.float64), torch.zeros(0)]
    table = {i + 1: tensor for i, tensor in enumerate(tensors)} | {5: tensors[0]}
    table[6] = table  # a table may hold itself
    (tmp_path / "tensors.t7").write_bytes(t7(table))
    found = read_t7(tmp_path / "tensors.t7")
    for i, tensor in enumerate(tensors):
        assert torch.equal(found[i + 1], tensor)
        assert found[i + 1].dtype == tensor.dtype
    assert found[5] is found[1]
    assert found[6] is found


def test_t7_functions_are_read_over(tmp_path):
    function = struct.pack("<iii", 8, 7, 3) + b"\x1bLJ" + struct.pack("<iii", 3, 8, 0)
    content = struct.pack("<iii", 3, 1, 2) + t7("f") + function + t7("after") + t7(1.5)
    (tmp_path / "function.t7").write_bytes(content)
    assert read_t7(tmp_path / "function.t7") == {"f": None, "after": 1.5}


@settings(max_examples=300)
@given(st.data())
def test_damaged_t7_files_are_refused_or_read_but_never_crash(tmp_path_factory, data):
    tensor = torch.arange(6, dtype=torch.float32).view(2, 3)
    content = bytearray(t7({"mean": tensor, "model": TorchObject("nn.ReLU", {"inplace": True, "name": "x"})}))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 3, 4, 8, 127, 255]))
    path = tmp_path_factory.mktemp("t7") / "damaged.t7"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ValueError):
        read_t7(path)


def test_t7_nested_too_deeply_is_refused(tmp_path):
    deep = b"".join(struct.pack("<iiiid", 3, i, 1, 1, 1.0) for i in range(100_000))
    (tmp_path / "deep.t7").write_bytes(deep)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_t7(tmp_path / "deep.t7")


@pytest.mark.parametrize("view", [(7, 1, 1), (6, 1, 2), (6, 2, 1), (6, -1, 1), (6, 1, 0), (2**40, 0, 1)])
def test_t7_tensor_beyond_its_storage_is_refused(tmp_path, view):
    content = t7({"mean": torch.arange(6, dtype=torch.float32)})
    size_stride_offset = struct.pack("<i3q", 1, 6, 1, 1)
    assert size_stride_offset in content
    (tmp_path / "beyond.t7").write_bytes(content.replace(size_stride_offset, struct.pack("<i3q", 1, *view)))
    with pytest.raises(ValueError, match="does not lie in its storage"):
        read_t7(tmp_path / "beyond.t7")


# The command.


@pytest.fixture
def run(monkeypatch, capsys):
    """engine-import with these arguments: all that it printed, and the error that ended it."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["engine-import", *map(str, arguments)])
        error = ""
        try:
            command.main()
        except SystemExit as stopped:
            error = str(stopped.code)
        printed = capsys.readouterr()
        return " ".join((printed.out + printed.err + error).split())

    return call


def test_command(tmp_path, run):
    foreign = randomised(GlcicPyTorch())
    torch.save(foreign.state_dict(), tmp_path / "model_cn")
    out = tmp_path / "new" / "ours.safetensors"
    config = {"mpv": MEAN, "cn_input_size": 128, "hole_min_w": 24, "hole_max_w": 40, "hole_min_h": 30, "hole_max_h": 48}
    (tmp_path / "config.json").write_text(json.dumps(config))
    told = run(tmp_path / "model_cn", "--out", out, "--config", tmp_path / "config.json")
    assert str(out) in told
    assert "published under MIT" in told
    agrees(foreign, load_weights(out))
    assert load_weights(out).spec.hole_size == (24, 48)
    assert load_weights(out).spec.crop_size == 128
    assert "--overwrite" in run(tmp_path / "model_cn", "--out", out, "--mean", "0.1,0.2,0.3")
    run(tmp_path / "model_cn", "--out", out, "--mean", "0.1,0.2,0.3", "--overwrite")
    assert load_weights(out).spec.mean_pixel == (0.1, 0.2, 0.3)


def test_command_errors(tmp_path, run):
    torch.save(randomised(GlcicPyTorch()).state_dict(), tmp_path / "model_cn")
    arguments = (tmp_path / "model_cn", "--out", tmp_path / "ours.safetensors")
    assert "--config" in run(*arguments)
    assert "R,G,B" in run(*arguments, "--mean", "0.5")
    assert "between 0 and 1" in run(*arguments, "--mean", "120,110,100")
    assert "one of them" in run(*arguments, "--mean", "0,0,0", "--config", tmp_path / "none.json")
    assert "none.json" in run(*arguments, "--config", tmp_path / "none.json")
    (tmp_path / "config.json").write_text('{"mpv": [1, 2]}')
    assert "mpv" in run(*arguments, "--config", tmp_path / "config.json")
    assert not (tmp_path / "ours.safetensors").exists()
