"""Masks out of annotation tools and painting programs, against the tools' own libraries where they have one."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from engine.inference.holes.mask import OtherSize
from engine.inference.masks.annotations import drawing, krita
from engine.inference.masks.annotations.coco import fill_rle
from engine.inference.masks.annotations.document import NotThere
from engine.inference.masks.annotations.label_studio import fill_brush
from engine.inference.masks.files import MaskOptions, OfPhoto, parse_mask
from tests.engine.inference.masks import made_annotations as made
from tests.engine.inference.masks.made_annotations import HEIGHT, PHOTO, WIDTH, square

SIZE = (HEIGHT, WIDTH)
OF = OfPhoto(PHOTO)
ENCODED = [0, 0, 0, 48, 57, 27, 254, 19, 0, 159, 254, 248, 4, 127, 224]


def read(content, labels=(), of=OF, size=SIZE, **options):
    notes = []
    return parse_mask(content, "file", MaskOptions(labels=labels, **options), size, notes, of), notes


@pytest.mark.parametrize("name", made.made())
def test_a_square_of_each_tool(name):
    content, expected_HW = made.made()[name]
    mask_HW, notes = read(content)
    np.testing.assert_array_equal(mask_HW, expected_HW)
    assert len(notes) == 1, notes
    np.testing.assert_array_equal(read(content, invert=True)[0], ~expected_HW)


COORDINATE = st.floats(-20, 60, width=32) | st.integers(-20, 60).map(float)


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=12), st.integers(1, 50), st.integers(1, 50))
def test_polygons_are_those_of_cocos_library(points, height, width):
    mask_HW = np.zeros((height, width), np.bool_)
    drawing.fill_polygon(mask_HW, points)
    flat = [float(value) for point in points for value in point]
    np.testing.assert_array_equal(mask_HW, coco_mask.decode(coco_mask.frPyObjects([flat], height, width))[..., 0] > 0)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.0, 0.02, 0.5, 0.98, 1.0]), st.integers(0, 99))
def test_rles_are_those_of_cocos_library(height, width, share, seed):
    mask_HW = np.random.default_rng(seed).random((height, width)) < share
    for rle in (made.compressed_rle(mask_HW), made.plain_rle(mask_HW)):
        read_HW = np.zeros_like(mask_HW)
        fill_rle(read_HW, rle)
        np.testing.assert_array_equal(read_HW, mask_HW)


def test_a_brush_of_label_studios_own_encoder():
    """Of label_studio_sdk 2.1.2, `encode_rle` of a mask of 3x4 with three pixels: runs and single values."""
    mask_HW = np.zeros((3, 4), np.bool_)
    mask_HW[1, 1:3] = mask_HW[2, 3] = True
    read_HW = np.zeros_like(mask_HW)
    fill_brush(read_HW, ENCODED)
    np.testing.assert_array_equal(read_HW, mask_HW)


def test_polygons_of_a_coco_picture_are_joined_and_rings_are_not_filled():
    ring_HW = square(5, 5, 20) & ~square(10, 10, 10)
    content = made.coco(made.compressed_rle(ring_HW))
    np.testing.assert_array_equal(read(content)[0], ring_HW)
    two = made.coco([made.CORNERS, [1, 1, 3, 1, 3, 3, 1, 3]])
    np.testing.assert_array_equal(read(two)[0], square() | square(1, 1, 2))


def test_turned_rectangles_and_ellipses_of_label_studio_and_cvat():
    turned = {"x": 50, "y": 20, "width": 25, "height": 100 / 3, "rotation": 90}  # about its top left corner
    np.testing.assert_array_equal(read(made.label_studio("rectanglelabels", turned))[0], square(10, 6, 10))
    round_ = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 20, "rotation": 0}
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    ellipse_HW = ((columns - 20) / 8) ** 2 + ((rows - 15) / 6) ** 2 <= 1
    np.testing.assert_array_equal(read(made.label_studio("ellipselabels", round_))[0], ellipse_HW)
    box = made.cvat('<box label="a" xtl="10" ytl="7" xbr="20" ybr="13" rotation="90"/>')
    upright_HW = np.zeros(SIZE, np.bool_)
    upright_HW[5:15, 12:18] = True
    np.testing.assert_array_equal(read(box)[0], upright_HW)
    assert read(made.cvat('<ellipse label="a" cx="20" cy="15" rx="8" ry="6"/>'))[0].sum() == pytest.approx(
        np.pi * 8 * 6, rel=0.15
    )


def test_frames_of_a_cvat_video_and_shapes_without_an_area():
    box = '<box frame="{}" outside="{}" xtl="10" ytl="5" xbr="19" ybr="14"/>'
    video = made.cvat_video(box.format(0, 0) + box.format(1, 1) + '<points frame="0" outside="0" points="1,1"/>')
    mask_HW, notes = read(video, of=OfPhoto("frame_000000.png"))
    np.testing.assert_array_equal(mask_HW, square())
    assert notes[1] == "annotations without an area are left out: 1 points"
    with pytest.raises(NotThere, match=r"no picture frame_000001\.png; it has frame_000000"):
        read(video, of=OfPhoto("frame_000001.png"))


def coco_of_two():
    document = json.loads(made.coco([made.CORNERS]))
    light = {"id": 2, "image_id": 7, "category_id": 2, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
    document["annotations"].append(light)
    return made.as_json(document)


def test_categories_are_chosen_by_name():
    assert read(coco_of_two())[1] == ["2 annotated object(s) are taken: person, traffic light"]
    mask_HW, notes = read(coco_of_two(), labels=("Traffic Light",))
    assert (mask_HW.sum(), notes) == (4, ["1 annotated object(s) are taken: traffic light"])
    with pytest.raises(ValueError, match=r"it has no label dog; its labels are person, traffic light \(--label\)"):
        read(coco_of_two(), labels=("dog",))
    mask_HW, notes = read(made.labelme("polygon", made.PAIRS), labels=("dog",))
    assert not mask_HW.any(), "a file of one photo need not have it"
    assert notes == ["no object in the photo is labelled dog (--label); its labels are person"]


@pytest.mark.parametrize(
    ("photo", "found"),
    [
        (PHOTO, True),
        ("train/photo.jpg", True),
        ("below/TRAIN/Photo.JPG", True),
        ("photo.png", True),
        ("pho.jpg", False),
        ("photo2.jpg", False),
    ],
)
def test_photos_are_found_by_name(photo, found):
    if found:
        np.testing.assert_array_equal(read(made.coco([made.CORNERS]), of=OfPhoto(photo))[0], square())
    else:
        with pytest.raises(NotThere, match=r"it has train/photo.jpg, train/other.jpg"):
            read(made.coco([made.CORNERS]), of=OfPhoto(photo))


def test_two_pictures_of_one_name_are_told_apart_by_their_folders():
    document = json.loads(made.coco([made.CORNERS]))
    document["images"][1]["file_name"] = f"val/{PHOTO}"
    content = made.as_json(document)
    assert read(content, of=OfPhoto(f"train/{PHOTO}"))[0].sum() == 100
    assert not read(content, of=OfPhoto(f"val/{PHOTO}"), size=(9, 9))[0].any()
    with pytest.raises(ValueError, match=r"its pictures train/photo.jpg, val/photo.jpg could all be photo.jpg"):
        read(content)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_in_the_turned_or_the_stored_picture(orientation):
    """By the size where it tells, else by the tool: COCO's reads them as stored, LabelMe shows them upright."""
    of = OfPhoto(PHOTO, orientation)
    sideways = orientation >= 5
    shown_size = (WIDTH, HEIGHT) if sideways else SIZE
    expected_HW = turned(square(), orientation)
    mask_HW, notes = read(made.coco([made.CORNERS]), of=of, size=shown_size)
    np.testing.assert_array_equal(mask_HW, expected_HW)
    assert len(notes) == (2 if orientation in (2, 3, 4) else 1), notes
    np.testing.assert_array_equal(read(made.labelme("polygon", made.PAIRS), of=of)[0], made.inclusive())


def turned(mask_HW, orientation):
    """As a viewer turns it: in words of EXIF, where the 0th row and column are seen."""
    return {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a),
    }[orientation](mask_HW)


def test_a_photo_of_another_size():
    for name, (content, _) in made.made().items():
        with pytest.raises(OtherSize, match="the mask is 40x30 and the photo 41x30"):
            read(content, size=(HEIGHT, WIDTH + 1))
        assert name


REFUSED = {
    "of no known tool": (b'{"a": 1}', "JSON of no tool that is read (COCO, LabelMe, Supervisely, Segment Anything"),
    "cut short": (made.coco([made.CORNERS])[:-9], "its JSON is damaged or cut short"),
    "of another image": (made.coco([]).replace(b'"image_id": 7', b'"image_id": 9'), "of the image 9, which it lacks"),
    "an rle of another length": (made.coco({"size": [30, 40], "counts": [5, 5]}), "has 10 pixels, and the picture has"),
    "an rle of another size": (made.coco({"size": [3, 4], "counts": [12]}), "has the size [3, 4], and its picture"),
    "a damaged rle": (made.coco({"size": [30, 40], "counts": "\x01~~"}), "not as COCO compresses them"),
    "not a number": (made.coco([[1, 2, 3, 4, 5, float("nan")]]), "its polygon is NaN, and must be within"),
    "a word for a number": (made.coco([[1, 2, 3, 4, 5, "six"]]), 'its polygon is "six", and should be a number'),
    "panoptic": (made.coco([], segments_info=[]), "COCO's panoptic kind"),
    "a shape of another kind": (made.labelme("cube", [[1, 1]]), 'of the kind "cube"; known are circle'),
    "too few points": (made.labelme("polygon", [[1, 1], [2, 2]]), "has 2 points and needs 3"),
    "no png": (made.labelme("mask", [[1, 1], [2, 2]], mask="AAAA"), "a mask of it is no PNG in base64"),
    "a bitmap outside": (
        made.supervisely("bitmap", bitmap={"data": made.supervisely_bitmap(square()), "origin": [10, 5]}),
        "leaves its picture, which is 40x30",
    ),
    "a brush of another picture": (
        made.label_studio("brushlabels", {"format": "rle", "rle": made.brush_rle(square()[:20])}),
        "is of another picture",
    ),
    "a brush cut short": (
        made.label_studio("brushlabels", {"format": "rle", "rle": made.brush_rle(square())[:-2]}),
        "a brush's RLE of it is cut short",
    ),
    "other xml": (b"<annotation><object/></annotation>", "XML of the kind 'annotation', and CVAT's is 'annotations'"),
    "xml cut short": (made.cvat("")[:-4], "its XML is damaged or cut short"),
    "an archive": (b"PK\3\4" + bytes(60), "it is a ZIP archive, as annotation tools export them; extract it, and give"),
    "entities": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "its XML declares entities"),
    "no layer called mask": (made.openraster("photo 2"), "it has no layer called 'mask' (--label chooses another); it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name):
    content, why = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(why)) as refused:
        read(content)
    assert str(refused.value).startswith("cannot read the mask file: ")
    assert "\n" not in str(refused.value)


def test_a_layer_is_chosen_by_name():
    mask_HW, notes = read(made.openraster("hole"), labels=("hole",))
    np.testing.assert_array_equal(mask_HW, square())
    assert notes == ["the mask is the layer 'hole'"]
    with pytest.raises(ValueError, match=r"it has no layer or selection 'x' \(--label\); it has 'hole' \(layer\)"):
        read(made.openraster("hole"), labels=("x",))


def test_lzf_copies_what_came_before():
    """A literal run of three, a copy of four from three back, and a long copy of what was just written."""
    assert krita.unpacked(b"\x02abc" + b"\x40\x02" + b"\xe0\x05\x00", 30) == b"abcabca" + b"a" * 14
    with pytest.raises(ValueError, match="damaged"):
        krita.unpacked(b"\x00a\x40\x09", 30)
