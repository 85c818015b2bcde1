"""Whatever is in a file, it is read, or refused as unreadable: no other error, and the same by all who read it."""

import struct

import numpy as np
import pytest
from PIL.ExifTags import Base

from data.decoders import UnreadablePhoto, decoding
from engine.inference import photo
from engine.inference.mask_files import parse_mask
from engine.inference.photo import CONTAINERS, TooManyPixels, encode, parse_photo
from tests.engine.inference.made_files import files_of_every_kind, mangle

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about what it cannot read

KINDS = tuple(files_of_every_kind())
MANGLED = 40
"""Of each kind."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_photo_is_read_or_unreadable(kind):
    unreadable, not_held = [], []
    for seed in range(MANGLED):
        broken = mangle(files_of_every_kind()[kind], np.random.default_rng(seed))
        try:
            read = parse_photo(broken, "photo", max_pixels=10**6)
        except (UnreadablePhoto, TooManyPixels) as error:
            unreadable.append(str(error))
            continue
        for container in sorted(set(CONTAINERS.values())):
            try:
                encode(read, read.pixels_HW3, container)
            except ValueError as error:
                not_held.append(str(error))
    assert all(said.startswith("cannot read the photo photo: ") for said in unreadable)
    assert all("write a .png" in said for said in not_held), "only what a format cannot hold"


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_mask_is_read_or_refused(kind):
    refused = []
    for seed in range(MANGLED):
        broken = mangle(files_of_every_kind()[kind], np.random.default_rng(seed))
        try:
            parse_mask(broken, "mask.png")
        except ValueError as error:
            refused.append(str(error))
    assert all(said.startswith("cannot read the mask mask.png: ") for said in refused)


def test_a_tiff_of_one_bit_that_does_not_say_what_is_white():
    content = files_of_every_kind()["tiff of one bit"]
    entry = content.index(struct.pack("<HH", Base.PhotometricInterpretation, 3))
    read = parse_photo(content[:entry] + struct.pack("<H", 65000) + content[entry + 2 :], "photo")
    assert read.few.bits == 1


def test_an_error_of_our_own_is_not_told_as_an_unreadable_photo(monkeypatch):
    error = AttributeError("our own")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(photo, "set_samples", fail)
    with pytest.raises(AttributeError) as raised:
        parse_photo(files_of_every_kind()["webp without loss"], "photo")
    assert raised.value is error


@pytest.mark.parametrize(
    "error", [TypeError("?"), KeyError("?"), SyntaxError("?"), MemoryError(), UnreadablePhoto("?")]
)
def test_what_a_decoder_raises_is_an_unreadable_photo(error):
    with pytest.raises(UnreadablePhoto, match=r"\?|MemoryError"), decoding():
        raise error
