"""Mask files: what is taken for a hole in each form that people have, and what is refused."""

import struct
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from data.orientation import turned_back
from engine.inference.holes.mask import OtherSize
from engine.inference.masks.files import AS_IT_LOOKS, MaskOptions, parse_mask, read_mask
from engine.inference.photos.formats import png


@pytest.fixture
def disc_HW():
    y, x = np.mgrid[0:30, 0:40]
    return (y - 12) ** 2 + (x - 17) ** 2 < 80


def forms(disc_HW):
    """The mask in every form that people have it."""
    white = disc_HW.astype(np.uint8) * 255
    nothing, everything = np.zeros_like(white), np.full_like(white, 255)
    yield "bilevel", Image.fromarray(disc_HW)
    yield "0 and 255", Image.fromarray(white)
    yield "0 and 1", Image.fromarray(disc_HW.astype(np.uint8))
    yield "16 bits", Image.fromarray(disc_HW.astype(np.uint16) * 65535)
    yield "rgb", Image.fromarray(np.dstack((white, white, white)))
    yield "red", Image.fromarray(np.dstack((white, nothing, nothing)))
    yield "only alpha", Image.fromarray(np.dstack((nothing, nothing, nothing, white)))
    yield "white with alpha", Image.fromarray(np.dstack((everything, everything, everything, white)))
    yield "red with alpha", Image.fromarray(np.dstack((everything, nothing, nothing, white)))
    for hidden in (255, 0):
        for paint in ((0, 0, 0), (255, 0, 0), (30, 30, 90), (255, 255, 255)):
            painted_HW3 = np.where(disc_HW[..., None], np.array(paint, np.uint8), np.uint8(hidden))
            yield f"{paint} on hidden {hidden}", Image.fromarray(np.dstack((painted_HW3, white)))
    noise_HW3 = np.random.default_rng(0).integers(0, 256, (*white.shape, 3), np.uint8)
    noise_HW3[disc_HW] = 0
    yield "black on hidden noise", Image.fromarray(np.dstack((noise_HW3, white)))
    both_HW3 = np.where((noise_HW3[..., :1] > 128) & ~disc_HW[..., None], noise_HW3, white[..., None])
    shown_HW = np.where((both_HW3 == white[..., None]).all(2), everything, nothing)
    yield "black and white, beside hidden noise", Image.fromarray(np.dstack((both_HW3, shown_HW)))
    yield "rgb with opaque alpha", Image.fromarray(np.dstack((white, white, white, everything)))
    yield "grey with alpha", Image.fromarray(np.dstack((white, everything)))
    yield "palette", Image.fromarray(np.dstack((white, white, white))).quantize(2)


@pytest.mark.parametrize("form", [name for name, _ in forms(np.eye(9, dtype=bool))])
def test_every_form_is_understood(form, disc_HW, tmp_path):
    path = tmp_path / "mask.png"
    dict(forms(disc_HW))[form].save(path)
    np.testing.assert_array_equal(read_mask(path), disc_HW)
    np.testing.assert_array_equal(read_mask(path, MaskOptions(invert=True)), ~disc_HW)


def test_threshold(tmp_path):
    path = tmp_path / "soft.png"
    Image.fromarray(np.arange(0, 256, 5, dtype=np.uint8)[None].repeat(3, 0)).save(path)
    assert read_mask(path)[0].sum() == sum(value >= 127.5 for value in range(0, 256, 5))
    assert read_mask(path, MaskOptions(threshold=0.2))[0].sum() == sum(value >= 51 for value in range(0, 256, 5))


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "coffee.png", "rocket.jpg", "page.png"])
def test_a_photo_is_taken_for_no_mask(name, shipped_photos, tmp_path):
    with pytest.raises(ValueError, match=r"cannot read the mask .*: \d\d% of it is neither dark nor bright.*Paint"):
        read_mask(shipped_photos / name)
    erased = Image.open(shipped_photos / name).convert("RGB")
    erased.putalpha(Image.new("L", erased.size, 255))
    erased.paste((0, 0, 0, 0), (10, 10, 40, 40))
    erased.save(tmp_path / "erased.png")
    with pytest.raises(ValueError, match="is it a photo"):
        read_mask(tmp_path / "erased.png")
    as_asked_HW = read_mask(shipped_photos / name, MaskOptions(threshold=0.3))
    assert as_asked_HW.any()
    assert not as_asked_HW.all()


def test_soft_masks_stay_masks(tmp_path):
    path, (y, x) = tmp_path / "soft.png", np.mgrid[:256, :256]
    distance_HW = np.hypot(y - 128, x - 128)
    hard_HW = (distance_HW < 40).astype(np.float32)
    cone_HW = np.clip(1 - distance_HW / 128, 0, 1)  # the softest brush, as wide as the picture
    for soft_HW in (cv2.GaussianBlur(hard_HW, (0, 0), 1), cv2.GaussianBlur(hard_HW, (0, 0), 20), cone_HW):
        soft_HW = np.rint(255 * soft_HW).astype(np.uint8)
        for stored_HW in (soft_HW, 255 - soft_HW):
            Image.fromarray(stored_HW).save(path)
            np.testing.assert_array_equal(read_mask(path), stored_HW >= 128)
    Image.fromarray(np.full((9, 9), 200, np.uint8) - np.eye(9, dtype=np.uint8)).save(path)
    assert read_mask(path).all(), "a dot's box may be all edge"


def test_a_given_threshold_is_told_the_largest_value(disc_HW, tmp_path):
    Image.fromarray(3 * disc_HW.astype(np.uint8)).save(tmp_path / "labels.png")
    with pytest.raises(ValueError, match=r"its largest value is 3 of 255, and a hole begins at 127\.5.*make the hole"):
        read_mask(tmp_path / "labels.png", MaskOptions(threshold=0.5))
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.png", MaskOptions(threshold=0.01)), disc_HW)


def noted(image, options=AS_IT_LOOKS):
    """The mask in an image saved as a PNG (or a TIFF, if it has 16 bits), and what is said of it."""
    file, notes = BytesIO(), []
    image.save(file, "PNG")
    return parse_mask(file.getvalue(), options=options, notes=notes), notes


@pytest.mark.parametrize(("dark", "bright"), [(16, 235), (0, 3), (100, 140), (0, 90), (180, 255)])
@pytest.mark.parametrize("soft", [False, True])
def test_dark_and_bright_are_those_of_the_mask_itself(dark, bright, soft):
    """As video has them, or a brush of little opacity."""
    if soft and bright < 50:
        pytest.skip("numbers have no soft edges")
    hard_HW = np.zeros((200, 220), np.float32)
    hard_HW[60:120, 80:150] = 1
    level_HW = cv2.GaussianBlur(hard_HW, (0, 0), 1.5) if soft else hard_HW
    values_HW = np.rint(dark + (bright - dark) * level_HW).astype(np.uint8)
    mask_HW, notes = noted(Image.fromarray(values_HW))
    assert (mask_HW != (hard_HW > 0)).mean() < 0.01
    if soft and dark < 127 < bright:
        return  # as ever, from half of what could be on
    (note,) = notes
    assert f"{dark} to {bright} of 255" in note
    assert "--mask-threshold" in note
    np.testing.assert_array_equal(noted(Image.fromarray(values_HW), MaskOptions(0.0001))[0], values_HW > 0)


def test_black_out_of_video_is_no_hole():
    noise_HW = np.random.default_rng(0).integers(15, 19, (200, 220), np.uint8)
    for values_HW in (noise_HW, np.full_like(noise_HW, 16), np.zeros_like(noise_HW)):
        mask_HW, notes = noted(Image.fromarray(values_HW))
        assert not mask_HW.any()
        assert notes == []


def test_usual_masks_need_no_note(disc_HW):
    for _, image in forms(disc_HW):
        if image.mode in ("1", "L", "RGB") and len(set(image.convert("RGB").get_flattened_data())) == 2:
            assert noted(image)[1] == [] or image.convert("RGB").getpixel((17, 12)) == (255, 0, 0)
    soft_HW = cv2.GaussianBlur(np.pad(disc_HW.astype(np.float32), 60), (0, 0), 2)
    assert noted(Image.fromarray(np.rint(2 + 250 * soft_HW).astype(np.uint8)))[1] == []


@pytest.mark.parametrize("density", [0.002, 0.05, 0.5])
def test_scattered_pixels_are_no_mask(density, shipped_photos):
    speckled_HW = np.random.default_rng(0).random((200, 220)) < density
    dithered = Image.open(shipped_photos / "camera.png").convert("1")
    for image in (Image.fromarray(speckled_HW), Image.fromarray(speckled_HW * np.uint8(255)), dithered):
        with pytest.raises(ValueError, match=r"bright pixels are scattered and form no areas.*--mask-threshold"):
            noted(image)
    np.testing.assert_array_equal(noted(Image.fromarray(speckled_HW), MaskOptions(0.5))[0], speckled_HW)


def test_thin_lines_and_a_few_dots_are_masks():
    lines_HW = np.zeros((200, 220), np.uint8)
    cv2.line(lines_HW, (3, 5), (210, 180), 255, 1)
    lines_HW[::50] = 255
    lines_HW[100:110, 100:200:20] = 255
    np.testing.assert_array_equal(noted(Image.fromarray(lines_HW))[0], lines_HW > 0)


@pytest.mark.parametrize("noisy", [False, True])
def test_of_an_object_cut_out_the_alpha_is_the_mask(noisy, disc_HW):
    """A dark object with details, whose brightness a threshold would take for a few pixels of a mask."""
    object_HW4 = np.zeros((30, 40, 4), np.uint8)
    object_HW4[disc_HW] = (30, 25, 60, 255)
    object_HW4[10:12, 15:18, :3] = 250
    if noisy:
        object_HW4[..., :3] += np.random.default_rng(0).integers(0, 5, (30, 40, 3), np.uint8)
    mask_HW, (note,) = noted(Image.fromarray(object_HW4))
    np.testing.assert_array_equal(mask_HW, disc_HW)
    assert "both transparency and brightness that vary: what is opaque in it was taken" in note
    soft_HW4 = object_HW4.copy()
    soft_HW4[..., 3] = np.rint(cv2.GaussianBlur(disc_HW * 255.0, (0, 0), 1))
    assert (noted(Image.fromarray(soft_HW4))[0] != disc_HW).mean() < 0.02


def labels_image(mode):
    """Three objects of the labels 1, 8 and 16 of the usual palette, and what their labels are called in this form."""
    labels_HW = np.zeros((256, 256), np.uint8)
    labels_HW[40:80, 40:80], labels_HW[150:200, 150:200], labels_HW[40:80, 150:200] = 1, 8, 16
    if mode in ("L", "I;16"):
        return Image.fromarray(labels_HW.astype(np.uint8 if mode == "L" else np.uint16)), labels_HW, ("1", "8", "16")
    image = Image.fromarray(labels_HW, "P")
    palette = np.zeros((256, 3), np.uint8)
    palette[[1, 8, 16]] = (128, 0, 0), (64, 0, 0), (0, 64, 0)
    image.putpalette(palette.tobytes())
    if mode == "white ground":
        palette[0] = 255
        image.putpalette(palette.tobytes())
        image = image.convert("RGB")
    return (
        (image if mode == "P" else image.convert("RGB")),
        labels_HW,
        (("1", "8", "16") if mode == "P" else ("800000", "400000", "004000")),
    )


@pytest.mark.parametrize("mode", ["P", "RGB", "white ground", "L", "I;16"])
def test_all_objects_of_a_label_map_are_taken_or_those_that_are_named(mode):
    image, labels_HW, names = labels_image(mode)
    mask_HW, (note,) = noted(image)
    np.testing.assert_array_equal(mask_HW, labels_HW > 0)
    assert "3 object(s) of 3 label(s) are taken" in note
    for name in names:
        assert name in note
    mask_HW, (note,) = noted(image, MaskOptions(labels=(names[0], names[2].lower())))
    np.testing.assert_array_equal(mask_HW, np.isin(labels_HW, (1, 16)))
    assert "2 object(s) of 2 label(s) are taken" in note
    np.testing.assert_array_equal(noted(image, MaskOptions(invert=True))[0], labels_HW == 0)
    with pytest.raises(ValueError, match=rf"it has no label 7; its labels are .*{names[1]}"):
        noted(image, MaskOptions(labels=("7",)))


def test_two_hundred_numbered_cells():
    labels_HW = np.zeros((300, 300), np.uint16)
    for number in range(196):
        y, x = divmod(number, 14)
        labels_HW[20 * y + 4 : 20 * y + 15, 20 * x + 4 : 20 * x + 15] = number + 1
    mask_HW, (note,) = noted(Image.fromarray(labels_HW))
    np.testing.assert_array_equal(mask_HW, labels_HW > 0)
    assert "of 196 label(s) are taken, 1, 2, 3" in note
    np.testing.assert_array_equal(
        noted(Image.fromarray(labels_HW.astype(np.uint8)), MaskOptions(labels=("17",)))[0], labels_HW == 17
    )


@pytest.mark.parametrize("name", ["camera.png", "coffee.png"])
def test_a_photo_in_few_colours_is_no_label_map(name, shipped_photos):
    with pytest.raises(ValueError, match="is it a photo"):
        noted(Image.open(shipped_photos / name).convert("RGB").quantize(16))
    with pytest.raises(ValueError, match="it has no labels to choose from"):
        noted(Image.open(shipped_photos / "astronaut.png").convert("RGB"), MaskOptions(labels=("1",)))


def test_a_mask_is_turned_upright_by_its_own_orientation(disc_HW, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(disc_HW).astype(np.uint8) * 255).save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), disc_HW)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about what it cannot read
@pytest.mark.parametrize("name", ["mask.png", "mask.webp"])
@pytest.mark.parametrize("exif", [b"MM", b"II*\0\x08\0\0\0\1\0\0\1\2\0\2\0\0\0a\0\0\0\0\0\0\0"], ids=["cut", "odd"])
def test_broken_exif_costs_no_mask(name, exif, disc_HW, tmp_path):
    Image.fromarray(disc_HW.astype(np.uint8) * 255).convert("RGB").save(tmp_path / name, exif=exif, lossless=True)
    np.testing.assert_array_equal(read_mask(tmp_path / name), disc_HW)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_all_orientations_of_a_mask(name, orientation, disc_HW, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored_HW = turned_back(disc_HW, orientation).astype(np.uint8) * 255
    Image.fromarray(np.ascontiguousarray(stored_HW)).save(tmp_path / name, exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / name), disc_HW)


def test_unreadable_masks_are_named(tmp_path):
    with pytest.raises(ValueError, match="there is no mask at"):
        read_mask(tmp_path / "none.png")
    (tmp_path / "text.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot read the mask .*text\.png: it is no picture"):
        read_mask(tmp_path / "text.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ValueError, match=r"cannot read the mask .*broken\.png"):
        read_mask(tmp_path / "broken.png")


def test_a_mask_of_another_size_is_refused_before_it_is_decoded_and_no_size_is_too_large(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 90_000, 8, 0, 0, 0, 0))
    path.write_bytes(png.SIGNATURE + header + png.chunk(b"IDAT", b"") + png.chunk(b"IEND", b""))
    with pytest.raises(ValueError, match="the mask is 100000x90000 and the photo 40x30"):
        read_mask(path, size=(30, 40))
    Image.new("L", (40, 30), 255).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's, beyond which it reads nothing
    assert read_mask(path, size=(30, 40)).all()


def test_a_mask_on_its_side_is_refused_when_it_is_seen(disc_HW, tmp_path):
    Image.fromarray(disc_HW).save(tmp_path / "mask.png")
    with pytest.raises(
        OtherSize, match=r"the mask is 40x30 and the photo 30x40 .*; the mask lies on its side: turn it"
    ):
        read_mask(tmp_path / "mask.png", size=(40, 30))
    with pytest.raises(OtherSize):
        parse_mask((tmp_path / "mask.png").read_bytes(), size=(40, 30))
