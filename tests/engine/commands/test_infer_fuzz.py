"""Masks of all tools, damaged: each ends in a line that says why, or in a completion of what the mask still marks."""

import copy
import itertools
import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.inference.completer import Completer, CompletionOptions
from engine.inference.folders.complete import Options, complete_files
from engine.inference.folders.jobs import Job
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.masks.files import MaskOptions
from engine.weights import save_weights
from tests.engine.inference.conftest import random_network
from tests.engine.inference.masks import made_annotations as made
from tests.engine.inference.masks.made_annotations import HEIGHT, WIDTH, square

DILATE = 1


def pictures():
    """The square as masks in pictures, of the kinds that people have."""
    grey = square().astype(np.uint8) * 255
    rgba = made.stroke(square())
    kinds = {
        "png": (Image.fromarray(grey), {}),
        "one bit": (Image.fromarray(square()), {}),
        "palette": (Image.fromarray(grey).convert("P"), {}),
        "alpha": (Image.fromarray(rgba), {}),
        "16 bits": (Image.fromarray(grey.astype(np.uint16) * 257), {}),
        "jpeg": (Image.fromarray(grey), {"format": "JPEG"}),
        "tiff": (Image.fromarray(grey), {"format": "TIFF", "compression": "tiff_lzw"}),
        "webp": (Image.fromarray(rgba), {"format": "WEBP", "lossless": True}),
        "gif": (Image.fromarray(grey), {"format": "GIF"}),
        "bmp": (Image.fromarray(grey), {"format": "BMP"}),
    }
    files = {}
    for name, (image, options) in kinds.items():
        file = BytesIO()
        image.save(file, **({"format": "PNG"} | options))
        files[name] = file.getvalue()
    return files


MASKS = {name: content for name, (content, _) in made.made().items()} | pictures()


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Completes a photo with a mask's bytes: its outcome, and which pixels are others."""
    folder = tmp_path_factory.mktemp("fuzz")
    weights = folder / "tiny.safetensors"
    save_weights(weights, random_network(4))
    before_HW3 = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(before_HW3).save(folder / "photo.png")
    completer = Completer.load(weights, "torch", "fp32", "cpu")
    numbers = itertools.count()

    def call(content, ending, **options):
        number = next(numbers)
        mask, out = folder / f"{number}{ending}", folder / f"{number}.out.png"
        mask.write_bytes(content)
        source = MaskSource(path=mask, options=MaskOptions(**options))
        asked = Options(masks=source, completion=CompletionOptions(dilate=DILATE, texture="none", octaves=0))
        (outcome,) = complete_files(completer, [Job(folder / "photo.png", mask.with_name("photo.jpg"), out)], asked)
        after_HW3 = np.asarray(Image.open(out)) if out.exists() else before_HW3
        assert not [*folder.glob("*.tmp*")], "a partial file is left"
        return outcome, (before_HW3 != after_HW3).any(2)

    return call


def check(outcome, changed_HW):
    """A failure has one line and no result; else what is reported as completed is what has changed."""
    if outcome.status == "failed":
        assert outcome.error
        assert "\n" not in outcome.error.strip()
        assert not changed_HW.any()
        for word in (
            "Traceback",
            "NoneType",
            "unpack",
            "subscriptable",
            "iterable",
            "broadcast",
            "no attribute",
            "engine's own",
        ):
            assert word not in outcome.error, "a bug of ours is told as bad input"
        return
    assert outcome.status == "completed"
    assert 0 < outcome.hole_pixels < HEIGHT * WIDTH
    assert 0 < changed_HW.sum() <= outcome.hole_pixels


@pytest.mark.parametrize("name", MASKS)
def test_each_as_it_is(complete, name):
    outcome, changed_HW = complete(MASKS[name], ending_of(MASKS[name]))
    check(outcome, changed_HW)
    assert outcome.status == "completed", outcome.error
    assert 100 <= outcome.hole_pixels <= 200


def ending_of(content):
    """As a user would have it; the content decides but for these two."""
    return {b"{": ".json", b"[": ".json", b"<": ".xml"}.get(content[:1], ".png")


MANY = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""The same cases each time, so that a change is told from luck; without `derandomize`, a longer run looks for more."""


@MANY
@given(st.sampled_from(sorted(MASKS)), st.floats(0, 1), st.sampled_from(["own", ".png", ".json"]))
def test_cut_short(complete, name, share, ending):
    content = MASKS[name][: int(share * len(MASKS[name]))]
    check(*complete(content, ending_of(MASKS[name]) if ending == "own" else ending))


@MANY
@given(st.sampled_from(sorted(MASKS)), st.data())
def test_bytes_changed_moved_and_doubled(complete, name, data):
    content = bytearray(MASKS[name])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "drop", "double", "swap"]))
        length = data.draw(st.integers(1, 40))
        if kind == "set":
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "drop" and len(content) > length + 1:
            del content[place : place + length]
        elif kind == "double":
            content[place:place] = content[place : place + length]
        else:
            other = data.draw(st.integers(0, len(content) - 1))
            content[place], content[other] = content[other], content[place]
        if not content:
            break
    check(*complete(bytes(content), ending_of(MASKS[name])))


JSON = {name: json.loads(content) for name, content in MASKS.items() if content[:1] in b"[{"}
ODD = st.sampled_from(
    [None, True, -1, 0, 0.5, 1e300, float("nan"), 10**30, "", "x" * 50, [], [[]], {}, [None], {"a": 1}, "\0", [1, 2]]
)


@MANY
@given(st.sampled_from(sorted(JSON)), st.data())
def test_fields_of_another_kind_or_missing(complete, name, data):
    document = json.loads(json.dumps(JSON[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places(document)))
        if data.draw(st.booleans()):
            holder[key] = copy.deepcopy(data.draw(ODD))  # which may be changed itself, next
        elif isinstance(holder, dict):
            del holder[key]
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
        if not places(document):
            break
    check(*complete(json.dumps(document).encode(), ".json"))


def places(value):
    """(holder, key) of all that lies in a JSON value; of long lists, of the first."""
    keys = range(min(len(value), 8)) if isinstance(value, list) else list(value) if isinstance(value, dict) else []
    found = [(value, key) for key in keys]
    return found + [place for key in keys for place in places(value[key])]


@MANY
@given(st.sampled_from(sorted(MASKS)), st.integers(1, 80), st.integers(1, 80), st.booleans())
def test_wrong_sizes(complete, name, width, height, invert):
    """In annotations the size that is stated, in pictures that of the pixels."""
    content = MASKS[name]
    if content[:1] in b"[{<":
        content = content.replace(b": 40", b": %d" % width).replace(b": 30", b": %d" % height)
        content = content.replace(b'"40"', b'"%d"' % width).replace(b'"30"', b'"%d"' % height)
    elif name in pictures():
        file = BytesIO()
        Image.open(BytesIO(content)).resize((width, height), Image.Resampling.NEAREST).save(file, "PNG")
        content = file.getvalue()
    outcome, changed_HW = complete(content, ending_of(content), invert=invert)
    check(outcome, changed_HW)
    if content != MASKS[name] and name in pictures() and (width, height) != (WIDTH, HEIGHT):
        assert outcome.status == "failed"
