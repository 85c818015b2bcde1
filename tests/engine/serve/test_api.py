"""engine-serve over HTTP: the same results and errors as the command, and a server that goes on whatever comes."""

import json
import re
import shlex
import shutil
import socket
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from engine.inference.masks.shadows import shadows_of
from engine.inference.photos.formats.registry import CODECS
from engine.inference.photos.reading import parse_photo
from tests.engine.inference.masks.made_shadows import overlap, with_shadow
from tests.engine.serve.conftest import mask_of, png, serving

README = Path(__file__).parents[3] / "README.md"
HOLE = (60, 40, 90, 62)


def events(text):
    """(kind, data) of each server-sent event."""
    return [(kind, json.loads(data)) for kind, data in re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)]


def keep(client, photo):
    reply = client.post("/photos", params={"name": photo.name}, content=photo.read_bytes())
    assert reply.status_code == 201, reply.text
    return reply.json()["photo"]


def complete_in(client, name, box, onto=0, avoid=None, **params):
    """The events of completing a box of a kept photo."""
    left, top, right, bottom = box
    size = {"width": right - left, "height": bottom - top}
    mask = png(Image.new("L", tuple(size.values()), 255))
    body = {"content": mask} if avoid is None else {"files": {"mask": mask, "avoid": avoid}}
    where = {"x": left, "y": top, "onto": onto, **size, **params}
    reply = client.post(f"/photos/{name}/completions", params=where, **body)
    assert reply.status_code == 200, reply.text
    return events(reply.text)


def as_jpeg(image, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    exif[0x010F] = "camera"
    image.rotate(90, expand=True).save(path, quality=80, exif=exif)


def as_16_bit_tiff(image, path):
    Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)


def as_transparent_webp(image, path):
    image.putalpha(200)
    image.paste((255, 0, 0, 0), (50, 20, 120, 40))  # hidden colours beside the hole
    image.save(path, lossless=True)


WRITERS = {
    "photo.png": lambda image, path: image.save(path),
    "photo.jpeg": as_jpeg,
    "photo.tif": as_16_bit_tiff,
    "photo.webp": as_transparent_webp,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_photo_and_its_mask_give_the_commands_file(client, command, photo, tmp_path, name):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    WRITERS[name](Image.open(photo), path)
    mask = mask_of((200, 160), HOLE)
    files = {"photo": (name, path.read_bytes()), "mask": ("mask.png", png(mask))}
    reply = client.post("/complete", files=files)
    assert reply.status_code == 200, reply.text
    assert reply.content == command(path, mask)
    assert reply.headers["content-disposition"].endswith(f"photo.completed{path.suffix}")

    kept = keep(client, path)
    kinds = [kind for kind, _ in complete_in(client, kept, HOLE)]
    assert kinds == [*["progress"] * (2 if name.endswith("webp") else 1), "completed"]  # its alpha is completed, too
    assert client.get(f"/photos/{kept}/completions/1/file").content == reply.content
    shown = Image.open(BytesIO(client.get(f"/photos/{kept}/preview").content))
    assert shown.size == (200, 160)


def test_what_is_taken_of_a_mask_is_told_in_a_header(client, photo):
    labels_HW = np.zeros((160, 200), np.uint8)
    labels_HW[40:70, 60:90], labels_HW[100:120, 100:120] = 1, 2
    reply = client.post("/complete", files={"photo": photo.read_bytes(), "mask": png(Image.fromarray(labels_HW))})
    assert reply.status_code == 200, reply.text
    (note,) = json.loads(reply.headers["x-notes"])
    assert "2 object(s) of 2 label(s) are taken, 1, 2" in note
    before, after = (np.asarray(Image.open(BytesIO(file))) for file in (photo.read_bytes(), reply.content))
    changed_HW = (before != after).any(2)
    assert changed_HW[40:70, 60:90].any()
    assert changed_HW[100:120, 100:120].any()


def test_pixels_without_data_are_hidden_as_in_the_command(client, command, tmp_path, shipped_photos):
    photo_HW3 = np.array(Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160)))
    photo_HW3[:, :70] = 0
    tifffile.imwrite(tmp_path / "map.tif", photo_HW3, photometric="rgb", extratags=[(42113, 2, 2, "0", True)])
    mask = mask_of((200, 160), HOLE)
    expected = command(tmp_path / "map.tif", mask)
    files = {"photo": (tmp_path / "map.tif").read_bytes(), "mask": png(mask)}
    reply = client.post("/complete", files=files)
    assert reply.content == expected
    assert "pixels of the value 0, which stands for no data" in reply.headers["x-notes"]
    kept = keep(client, tmp_path / "map.tif")
    assert "no data" in complete_in(client, kept, HOLE)[-1][1]["warnings"][0]
    assert client.get(f"/photos/{kept}/completions/1/file").content == expected


def test_alpha_is_completed_and_shown(client, command, photo, tmp_path):
    """What is removed from over nothing is transparent: in the answer, in the kept photo, on what is made on top."""
    image = Image.open(photo).convert("RGBA")
    image.paste((255, 0, 255, 0), (0, 0, 200, 80))
    image.paste((255, 255, 0, 255), (62, 42, 88, 60))
    image.save(tmp_path / "sprite.png")
    mask = mask_of((200, 160), HOLE)
    files = {"photo": ("sprite.png", (tmp_path / "sprite.png").read_bytes()), "mask": ("mask.png", png(mask))}
    expected = command(tmp_path / "sprite.png", mask)
    assert np.asarray(Image.open(BytesIO(expected)))[42:60, 62:88, 3].max() == 0
    assert client.post("/complete", files=files).content == expected

    kept = keep(client, tmp_path / "sprite.png")
    done = complete_in(client, kept, HOLE)[-1][1]
    assert done["replaces"]
    assert client.get(f"/photos/{kept}/completions/1/file").content == expected
    region = Image.open(BytesIO(client.get(f"/photos/{kept}/completions/1/picture").content))
    image.paste(region, done["box"][:2])
    np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(BytesIO(expected))))
    complete_in(client, kept, (100, 100, 120, 120), onto=1)
    again = Image.open(BytesIO(client.get(f"/photos/{kept}/completions/2/file").content))
    np.testing.assert_array_equal(np.asarray(again)[..., 3], np.asarray(image)[..., 3])


def test_completing_on_top_of_a_completion_and_of_the_photo_again(client, command, photo, tmp_path):
    other = (110, 90, 150, 130)
    kept = keep(client, photo)
    complete_in(client, kept, HOLE)
    complete_in(client, kept, other, onto=1)
    complete_in(client, kept, other, onto=0)
    once = tmp_path / "once.png"
    once.write_bytes(command(photo, mask_of((200, 160), HOLE)))
    twice = command(once, mask_of((200, 160), other))
    assert client.get(f"/photos/{kept}/completions/2/file").content == twice
    alone = command(photo, mask_of((200, 160), other))
    assert client.get(f"/photos/{kept}/completions/3/file").content == alone != twice


def test_the_reply_carries_the_completed_region_only(client, photo):
    kept = keep(client, photo)
    done = complete_in(client, kept, HOLE)[-1][1]
    left, top, width, height = done["box"]
    assert (left, top, left + width, top + height) == (56, 36, 94, 66)  # widened by 4
    region = Image.open(BytesIO(client.get(f"/photos/{kept}/completions/1/picture").content))
    assert region.size == (width, height)
    shown = Image.open(photo)
    shown.paste(region, (left, top), region)
    completed = Image.open(BytesIO(client.get(f"/photos/{kept}/completions/1/file").content))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(completed))


@pytest.mark.parametrize("channels", [3, 4])
def test_the_region_of_a_deep_photo_has_its_bits(client, tmp_path, channels):
    """Within 16 bits, and in 8 without `deep`; the colours around are those of no 8 bits."""
    ramp_HWC = np.linspace(1000, 60003, 160 * 200 * channels).reshape(160, 200, channels).astype(np.uint16)
    if channels == 4:
        ramp_HWC[..., 3] = 65535
    cv2.imwrite(str(tmp_path / "deep.png"), ramp_HWC)
    kept = keep(client, tmp_path / "deep.png")
    left, top, width, height = complete_in(client, kept, HOLE)[-1][1]["box"]
    address = f"/photos/{kept}/completions/1"
    file_HWC = decoded(client.get(f"{address}/file").content)
    region_HW4 = decoded(client.get(f"{address}/picture", params={"deep": True}).content)
    changed_HW = region_HW4[..., 3] == 65535
    assert changed_HW.any()
    assert not region_HW4[~changed_HW, 3].any()
    shown_HWC = ramp_HWC.copy()
    shown_HWC[top : top + height, left : left + width][changed_HW] = region_HW4[changed_HW][:, :channels]
    np.testing.assert_array_equal(shown_HWC, file_HWC)
    assert (region_HW4[changed_HW] % 257).any()
    assert decoded(client.get(f"{address}/picture").content).dtype == np.uint8


def decoded(content):
    """The samples of a PNG as it has them, blue first."""
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_thin_hole_is_widened_by_less(client, photo):
    kept = keep(client, photo)
    done = complete_in(client, kept, (60, 40, 90, 43))[-1][1]
    left, top, width, height = done["box"]
    assert done["widened"] == [2]
    assert (left, top, left + width, top + height) == (58, 38, 92, 45)


def test_a_rim_left_outside_of_the_mask_is_told(client, shipped_photos, tmp_path):
    image = Image.open(shipped_photos / "astronaut.png").convert("RGB").crop((150, 0, 350, 160))
    image.paste((30, 200, 60), (53, 33, 97, 69))
    image.save(tmp_path / "thing.png")
    note = "what is just outside the mask looks unlike what is further away: widen by 8? (--mask-dilate 12)"
    files = {
        "photo": ("thing.png", (tmp_path / "thing.png").read_bytes()),
        "mask": ("mask.png", png(mask_of((200, 160), HOLE))),
    }
    reply = client.post("/complete", files=files)
    assert json.loads(reply.headers["X-Notes"]) == [note]
    assert complete_in(client, keep(client, tmp_path / "thing.png"), HOLE)[-1][1]["warnings"] == [note]


def test_coarse_to_fine_tells_its_scales(client, shipped_photos):
    """Where patches of the photo draw the hole again, the coarsest alone; unless some are not to be taken."""
    kept = keep(client, shipped_photos / "astronaut.png")
    avoid = Image.new("L", (450, 450))
    avoid.putpixel((3, 3), 255)
    for scales, options in (([4], {}), ([4, 2, 1], {"avoid": png(avoid)})):
        got = complete_in(client, kept, (30, 30, 480, 480), **options)
        steps = [data for kind, data in got if kind == "progress"]
        assert list(dict.fromkeys(step["scale"] for step in steps)) == scales
        assert all(0 <= step["done"] < step["windows"] for step in steps)


def bomb(side):
    """A PNG of a few bytes that claims to be enormous."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


PHOTO = png(Image.effect_noise((200, 160), 50).convert("RGB"))
MASK = png(mask_of((200, 160), HOLE))
REFUSED = {
    "no picture": (b"certainly not", MASK, 415, "it is no picture"),
    "cut short": (PHOTO[:2000], MASK, 415, "cannot read the photo"),
    "a bomb": (bomb(60000), MASK, 413, "60000x60000 pixels and the limit is 4000000"),
    "kind not read": (b"GIF89a" + bytes(100), MASK, 415, "cannot read the photo"),
    "raw": (b"IIRO\x08\0\0\0" + bytes(64), MASK, 415, "it is a camera's raw file (Olympus)"),
    "mask no picture": (PHOTO, b"nor this", 415, "cannot read the mask: it is no picture"),
    "mask a bomb": (PHOTO, bomb(60000), 422, "the mask is 60000x60000 and the photo 200x160"),
    "mask of another size": (PHOTO, png(mask_of((200, 161), HOLE)), 422, "they must be the same size"),
    "mask on its side": (PHOTO, png(mask_of((160, 200), HOLE)), 422, "they must be the same size"),
    "mask empty": (PHOTO, png(mask_of((200, 160), (0, 0, 0, 0))), 422, "the mask is empty"),
    "mask over everything": (PHOTO, png(mask_of((200, 160), (0, 0, 200, 160))), 422, "covers the whole photo"),
    "no mask": (PHOTO, None, 422, "neither mask nor hole is given; send one: -F mask=@mask.png or -F hole="),
    "9 MB": (bytes(9 << 20), MASK, 413, "limit of 8388608 bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_the_right_status(client, server, case):
    photo, mask, status, message = REFUSED[case]
    files = {"photo": ("photo.png", photo)} | ({"mask": ("mask.png", mask)} if mask is not None else {})
    reply = client.post("/complete", files=files)
    assert (reply.status_code, message in reply.json()["detail"]) == (status, True), reply.text
    good = client.post("/complete", files={"photo": ("photo.png", PHOTO), "mask": ("mask.png", MASK)})
    assert good.status_code == 200
    assert client.get("/health").json()["requests"] <= 1  # the last one may still be on its way out
    assert list(server.temporary.iterdir()) == []


def test_a_name_where_a_file_should_be(client):
    """As `curl -F photo=photo.jpg` sends it, without the @."""
    mask = ("mask.png", MASK)
    reply = client.post("/complete", data={"photo": "mine.jpg"}, files={"mask": mask})
    assert (reply.status_code, "-F photo=@mine.jpg" in reply.json()["detail"]) == (422, True), reply.text


def test_options_in_a_request_are_refused_and_not_ignored(client, photo):
    where = "options are texts of the form that /complete takes; others are set when engine-serve starts"
    files = {"photo": ("photo.png", PHOTO), "mask": ("mask.png", MASK)}
    kept = keep(client, photo)
    box = {"x": 0, "y": 0, "width": 8, "height": 8}
    for path, asked, message in (
        ("/complete", {"params": {"mask_dilate": 20, "blend": "nonsense"}, "files": files}, "mask_dilate, blend: no"),
        ("/complete", {"data": {"mask_dilate": 20}, "files": files}, "mask_dilate: the form has no such"),
        ("/photos", {"params": {"name": "a.png", "blend": "none"}, "content": PHOTO}, "blend: no parameter"),
        (f"/photos/{kept}/completions", {"params": box | {"blend": "none"}, "content": MASK}, "blend: no parameter"),
    ):
        reply = client.post(path, **asked)
        assert reply.status_code == 422, reply.text
        assert reply.json()["detail"].startswith(message)
        assert where in reply.json()["detail"]
    assert "when engine-serve starts" in client.get("/api.html").text


AREA = mask_of((200, 160), (0, 0, 100, 160))
CHOSEN = {
    "dilate": {"dilate": 9},
    "blend": {"blend": "none", "dilate": 0},
    "feather": {"blend": "feather", "feather": 9},
    "scale": {"scale": "4", "texture": "none"},
    "seed": {"seed": 7},
    "no texture": {"texture": "none"},
    "texture and seed": {"texture": "photo", "seed": 1},
    "sample": {"sample": AREA},
    "avoid and seed": {"avoid": AREA, "seed": 2},
    "both": {"sample": AREA, "avoid": mask_of((200, 160), (0, 0, 100, 40))},
}


@pytest.mark.parametrize("case", CHOSEN)
def test_what_a_request_says_is_what_the_command_does(client, command, photo, tmp_path, case):
    files = {"photo": ("photo.png", photo.read_bytes()), "mask": ("mask.png", MASK)}
    data, options = {}, {}
    for name, value in CHOSEN[case].items():
        if isinstance(value, Image.Image):
            files[name] = (f"{name}.png", png(value))
            options[name] = tmp_path / f"{name}.png"
            value.save(options[name])
        else:
            data[name] = options["mask_dilate" if name == "dilate" else name] = value
    reply = client.post("/complete", files=files, data=data)
    assert reply.status_code == 200, reply.text
    mask = mask_of((200, 160), HOLE)
    assert reply.content == command(photo, mask, **options) != command(photo, mask)


def test_holes_in_place_of_a_mask(client, command, photo):
    """Two rectangles are the mask that has them white."""
    left, top, right, bottom = HOLE
    holes = f"{left},{top},{right - left},{bottom - top} 5,6,10,12"
    mask = mask_of((200, 160), HOLE)
    mask.paste(255, (5, 6, 15, 18))
    files = {"photo": ("photo.png", photo.read_bytes())}
    reply = client.post("/complete", files=files, data={"hole": holes})
    assert reply.status_code == 200, reply.text
    assert reply.content == command(photo, mask)


def test_the_result_in_another_format(client, photo):
    files = {"photo": ("mine.png", photo.read_bytes()), "mask": ("mask.png", MASK)}
    reply = client.post("/complete", files=files, data={"format": "tif"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/tiff"), reply.text
    assert reply.headers["content-disposition"].endswith("mine.completed.tif")
    own = client.post("/complete", files=files)
    pixels = [parse_photo(one.content, "completed").pixels_HW3 for one in (reply, own)]
    assert np.array_equal(*pixels)


@pytest.mark.parametrize(("form", "message"), [("jpg", "alpha"), ("avif", "16 bits per sample")])
def test_a_format_that_cannot_hold_the_photo_is_refused_before_it_is_completed(client, form, message):
    """With a hole that could not be completed either: that is not what is said."""
    deep = np.full((40, 50, 4), 30000, np.uint16)
    content = cv2.imencode(".png", deep if form == "avif" else (deep // 257).astype(np.uint8))[1].tobytes()
    everything = png(Image.new("L", (50, 40), 255))
    files = {"photo": ("photo.png", content), "mask": ("mask.png", everything)}
    reply = client.post("/complete", files=files, data={"format": form})
    assert (reply.status_code, message in reply.json()["detail"]) == (422, True), reply.text


@pytest.mark.parametrize(("data", "message"), [
    ({"hole": "1,2,3"}, "hole is '1,2,3'; it must be X,Y,WIDTH,HEIGHT"),
    ({"hole": ""}, "hole is ''; it must be X,Y,WIDTH,HEIGHT"),
    ({"hole": "190,0,20,20"}, "the hole 190,0,20,20 leaves the photo, which is 200x160"),
    ({"hole": "1,2,3,4", "label": "2"}, "hole and label are both given"),
    ({"hole": "1,2,3,4", "mask": True}, "mask and hole are both given; send one"),
    ({"dilate": "-1", "mask": True}, "dilate is '-1'; it must be a whole number, 0 to 1000"),
    ({"dilate": "1001", "mask": True}, "dilate is '1001'; it must be a whole number, 0 to 1000"),
    ({"feather": "x", "mask": True}, "feather is 'x'; it must be a whole number"),
    ({"seed": "-3", "mask": True}, "seed is '-3'; it must be a whole number, 0 or more"),
    ({"blend": "soft", "mask": True}, "blend is 'soft'; it must be one of"),
    ({"scale": "3", "mask": True}, "scale is '3'; it must be auto, native"),
    ({"format": "gif", "mask": True}, "format is 'gif'; it must be one of: jpg, jpeg"),
])  # fmt: skip
def test_options_that_cannot_be_met_are_named(client, data, message):
    data = dict(data)
    files = {"photo": ("photo.png", PHOTO)} | ({"mask": ("mask.png", MASK)} if data.pop("mask", False) else {})
    reply = client.post("/complete", files=files, data=data)
    assert (reply.status_code, message in reply.json()["detail"]) == (422, True), reply.text


@pytest.mark.parametrize(("container", "kind"), [("HEIF", "image/heic"), ("AVIF", "image/avif"), ("JXL", "image/jxl")])
def test_photos_of_newer_formats(client, photo, tmp_path, container, kind):
    """In and out, and shown as a PNG."""
    for package in ("pillow_heif", "pillow_jxl"):
        pytest.importorskip(package)
    CODECS[container].register()
    file = BytesIO()
    Image.open(photo).convert("RGB").save(file, container)
    reply = client.post("/complete", files={"photo": ("photo", file.getvalue()), "mask": ("mask.png", MASK)})
    assert (reply.status_code, reply.headers["content-type"]) == (200, kind), reply.text
    after = parse_photo(reply.content, "completed")
    assert (after.container, after.pixels_HW3.shape) == (container, (160, 200, 3))
    (tmp_path / "photo").write_bytes(file.getvalue())
    kept = keep(client, tmp_path / "photo")
    shown = Image.open(BytesIO(client.get(f"/photos/{kept}/preview").content))
    assert (shown.format, shown.size) == ("PNG", (200, 160))


def test_annotations_as_the_mask(client, command, photo):
    """Of two categories, `label` chooses one."""
    left, top, right, bottom = HOLE
    corners = [left, top, right, top, right, bottom, left, bottom]
    shapes = [(1, corners), (2, [1, 1, 9, 1, 9, 9, 1, 9])]
    coco = {
        "images": [{"id": 1, "file_name": "photo.png", "width": 200, "height": 160}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": kind, "segmentation": [shape]} for kind, shape in shapes],
    }
    files = {"photo": ("photo.png", photo.read_bytes()), "mask": ("coco.json", json.dumps(coco).encode())}
    reply = client.post("/complete", files=files, data={"label": "person"})
    assert reply.status_code == 200, reply.text
    assert reply.content == command(photo, mask_of((200, 160), HOLE))
    assert reply.headers["X-Widened"] == "[4]"
    assert "1 annotated object(s) are taken: person" in json.loads(reply.headers["X-Notes"])
    reply = client.post("/complete", files=files, data={"label": "cat"})
    assert (reply.status_code, reply.json()["detail"]) == (
        415,
        "cannot read the mask: it has no label cat; its labels are person, dog (--label)",
    )


@pytest.mark.parametrize(
    ("files", "texts", "status", "message"),
    [
        ({}, {"seed": "many"}, 422, "seed is 'many'; it must be a whole number, 0 or more"),
        ({}, {"seed": "1.5"}, 422, "seed is '1.5'; it must be"),
        ({}, {"seed": ""}, 422, "seed is ''; it must be"),
        ({}, {"seed": "9" * 5000}, 422, "it must be a whole number"),
        ({}, {"seed": "-1"}, 422, "seed is '-1'; it must be a whole number, 0 or more"),
        ({}, {"seed": ["1", "2"]}, 422, "seed is given 2 times; send one"),
        ({"seed": b"1"}, {}, 422, "seed must be text and no file: -F seed=VALUE"),
        ({}, {"texture": "wood"}, 422, "texture is 'wood'; it must be one of: auto, photo, none"),
        ({}, {"sample": "here.png"}, 422, "sample must be a file: -F sample=@here.png"),
        (
            {"smaple": MASK},
            {},
            422,
            "smaple: the form has no such field; perhaps sample is meant; it takes: files",
        ),
        ({"avoid": MASK}, {"texture": "none"}, 422, "avoid is given and texture is none, so that no texture is taken"),
        ({"sample": MASK}, {"texture": "none"}, 422, "leave sample out, or send texture=auto"),
        ({"sample": b"no picture"}, {}, 415, "sample: cannot read the mask: it is no picture"),
        ({"avoid": png(AREA.crop((0, 0, 200, 150)))}, {}, 422, "avoid: the mask is 200x150 and the photo 200x160"),
        ({"sample": MASK}, {}, 422, "leave no 7x7 pixels of the photo to take texture from"),  # the hole alone
        ({"sample": png(mask_of((200, 160), (0, 0, 0, 0)))}, {}, 422, "leave no 7x7 pixels"),
        ({"avoid": png(mask_of((200, 160), (0, 0, 200, 160)))}, {}, 422, "leave no 7x7 pixels"),
        ({"sample": png(AREA), "avoid": png(AREA)}, {}, 422, "--sample and --avoid and the hole leave no 7x7 pixels"),
    ],
)
def test_textures_that_cannot_be_had_are_refused(client, files, texts, status, message):
    files = {"photo": ("photo.png", PHOTO), "mask": ("mask.png", MASK)} | files
    reply = client.post("/complete", files=files, data=texts)
    assert (reply.status_code, message in reply.json()["detail"]) == (status, True), reply.text


def test_variants_of_a_kept_photo_and_where_they_take_texture_from(client, command, photo, tmp_path):
    AREA.save(tmp_path / "area.png")
    kept, mask = keep(client, photo), mask_of((200, 160), HOLE)
    complete_in(client, kept, HOLE, variant=2)
    assert client.get(f"/photos/{kept}/completions/1/file").content == command(photo, mask, seed=2)
    nothing = png(Image.new("L", (30, 22)))
    complete_in(client, kept, HOLE, avoid=nothing)
    assert client.get(f"/photos/{kept}/completions/2/file").content == command(photo, mask)
    whole = {"x": 0, "y": 0, "width": 200, "height": 160}
    reply = client.post(f"/photos/{kept}/completions", params=whole, files={"mask": MASK, "avoid": png(AREA)})
    assert events(reply.text)[-1][0] == "completed", reply.text
    expected = command(photo, mask, avoid=tmp_path / "area.png")
    assert client.get(f"/photos/{kept}/completions/3/file").content == expected
    reply = client.post(f"/photos/{kept}/completions", params=whole, files={"mask": MASK, "sample": png(AREA)})
    assert events(reply.text)[-1][0] == "completed", reply.text
    assert client.get(f"/photos/{kept}/completions/4/file").content == command(
        photo, mask, sample=tmp_path / "area.png"
    )
    dot = (100, 100, 101, 101)
    (note,) = complete_in(client, kept, dot, variant=1)[-1][1]["warnings"]
    assert "nothing else varies but the grain" in note


def test_a_variant_that_cannot_vary(weights, photo, tmp_path):
    box = {"x": 60, "y": 40, "width": 30, "height": 22}
    painted = png(Image.new("L", (30, 22), 255))
    with (
        serving(weights, tmp_path, "--texture", "none") as plain,
        httpx.Client(base_url=plain.address, timeout=60) as client,
    ):
        kept = keep(client, photo)
        for params, areas in (({"variant": 1}, {}), ({}, {"avoid": painted}), ({}, {"sample": painted})):
            files = {"mask": painted} | areas
            reply = client.post(f"/photos/{kept}/completions", params=box | params, files=files)
            assert reply.status_code == 422
            assert "texture is none, so that no texture is taken; start engine-serve with" in reply.json()["detail"]
        reply = client.post(f"/photos/{kept}/completions", params=box, content=painted)
        assert events(reply.text)[-1][0] == "completed"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_a_gigabyte_is_refused_and_never_held(client, server, announced):
    before, largest = server.memory(), 0

    def gigabyte():
        nonlocal largest
        for _ in range(256):
            yield bytes(4 << 20)
            largest = max(largest, server.memory())

    headers = {"Content-Length": str(1 << 30)} if announced else {}
    try:
        reply = client.post("/photos", content=gigabyte(), headers=headers)
        assert reply.status_code == 413
    except httpx.WriteError:
        pass  # a server may close on who does not stop; ours reads on
    assert largest - before < 64 << 20
    assert client.get("/health").status_code == 200


def with_thing(folder):
    """A flat photo with a rectangle (left, top, right, bottom) of colour on it, and that."""
    thing = 60, 50, 100, 80
    image = Image.new("RGB", (200, 160), (90, 100, 110))
    image.paste((200, 40, 30), thing)
    image.save(folder / "thing.png")
    return folder / "thing.png", thing


def test_the_thing_in_a_box_is_selected(client, tmp_path):
    path, (left, top, right, bottom) = with_thing(tmp_path)
    kept = keep(client, path)
    box = {"x": left - 6, "y": top - 8, "width": right - left + 12, "height": bottom - top + 20}
    reply = client.post(f"/photos/{kept}/select", params=box)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png"), reply.text
    mask = Image.open(BytesIO(reply.content))
    expected = mask_of((box["width"], box["height"]), (6, 8, 6 + right - left, 8 + bottom - top))
    assert (mask.mode, mask.size) == ("1", expected.size)
    np.testing.assert_array_equal(np.asarray(mask), np.asarray(expected) > 0)
    painted = client.post(f"/photos/{kept}/completions", params=box, content=reply.content)
    assert events(painted.text)[-1][0] == "completed"
    again = client.post(f"/photos/{kept}/select", params=box | {"onto": 1})
    assert again.content != reply.content  # the thing is not in this picture any more
    assert client.post(f"/photos/{kept}/select", params=box).content == reply.content


def test_the_thing_in_an_outline_is_selected(client, tmp_path):
    """And not the other one that is in its box."""
    path, (left, top, right, bottom) = with_thing(tmp_path)
    image = Image.open(path)
    image.paste((20, 200, 90), (120, 50, 150, 80))
    image.save(path)
    kept = keep(client, path)
    box = {"x": left - 10, "y": top - 10, "width": 120, "height": 50}
    outline = png(mask_of((120, 50), (4, 4, right - left + 16, bottom - top + 16)))
    reply = client.post(f"/photos/{kept}/select", params=box, content=outline)
    expected = mask_of((120, 50), (10, 10, 10 + right - left, 10 + bottom - top))
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(reply.content))), np.asarray(expected) > 0)
    for body, status, message in (
        (png(Image.new("L", (120, 50))), 422, "the outline 50,40,120,50: nothing in it differs"),
        (png(Image.new("L", (120, 49), 255)), 422, "the mask is 120x49"),
        (b"no picture", 415, "it is no picture"),
    ):
        refused = client.post(f"/photos/{kept}/select", params=box, content=body)
        assert (refused.status_code, message in refused.json()["detail"]) == (status, True), refused.text


def test_the_shadow_of_what_is_painted_is_found(client, tmp_path):
    samples_HW3, thing_HW, shadow_HW = with_shadow(200, 0.5)
    Image.fromarray(samples_HW3).save(tmp_path / "shaded.png")
    kept = keep(client, tmp_path / "shaded.png")
    box = {"x": 60, "y": 60, "width": 70, "height": 60}
    painted = png(Image.fromarray(thing_HW[60:120, 60:130] * np.uint8(255)))
    reply = client.post(f"/photos/{kept}/shadow", params=box, content=painted)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png"), reply.text
    told = json.loads(reply.headers["x-shadow"])
    assert (told["found"], told["things"]) == (1, 1)
    x, y, width, height = told["box"]
    found_HW = np.zeros(thing_HW.shape, bool)
    found_HW[y : y + height, x : x + width] = np.asarray(Image.open(BytesIO(reply.content))) > 0
    np.testing.assert_array_equal(found_HW, shadows_of(samples_HW3, thing_HW).shadow_HW)
    assert overlap(found_HW, shadow_HW) > 0.8

    hidden_HW = np.broadcast_to(np.arange(200) >= 150, thing_HW.shape)
    assert (shadow_HW & hidden_HW).any()
    Image.fromarray(np.dstack((samples_HW3, 255 * ~hidden_HW)).astype(np.uint8)).save(tmp_path / "cut.png")
    reply = client.post(f"/photos/{keep(client, tmp_path / 'cut.png')}/shadow", params=box, content=painted)
    x, _, width, _ = json.loads(reply.headers["x-shadow"])["box"]
    assert 140 < x + width <= 150

    ground = {"x": 20, "y": 140, "width": 30, "height": 30}
    white, black = (png(Image.new("L", (30, 30), value)) for value in (255, 0))
    for name, asked, body, status, message in (
        ("unknown", ground, white, 404, "send it again"),
        (kept, ground | {"onto": 1}, white, 404, "there is no completion 1"),
        (kept, ground, white, 422, "no shadow was found beside what is painted: paint it, too"),
        (kept, ground, black, 422, "the mask is empty"),
        (kept, ground | {"x": 190}, white, 422, "the mask reaches 220, 170, and the photo is 200x200"),
        (kept, ground, b"no picture", 415, "it is no picture"),
        (kept, ground | {"label": "dog"}, white, 422, "label: no parameter of"),
    ):
        refused = client.post(f"/photos/{name}/shadow", params=asked, content=body)
        assert (refused.status_code, message in refused.json()["detail"]) == (status, True), refused.text


def test_boxes_in_which_nothing_can_be_selected(client, tmp_path):
    kept = keep(client, with_thing(tmp_path)[0])
    box = {"x": 4, "y": 100, "width": 30, "height": 20}
    for name, asked, status, message in (
        ("unknown", box, 404, "send it again"),
        (kept, box | {"onto": 1}, 404, "there is no completion 1"),
        (kept, box, 422, "the box 4,100,30,20: nothing in it differs from what is around it; draw the box closer"),
        (kept, box | {"x": 193}, 422, "the box 193,100,30,20 leaves the photo, which is 200x160"),
        (kept, {"x": 0, "y": 0, "width": 200, "height": 160}, 422, "is the whole photo: draw the box around the thing"),
        (kept, box | {"width": 0}, 422, "width: Input should be greater than or equal to 1"),
        (kept, box | {"label": "dog"}, 422, "label: no parameter of"),
    ):
        reply = client.post(f"/photos/{name}/select", params=asked)
        detail = reply.json()["detail"]
        assert (reply.status_code, message in detail, "--select" in detail) == (status, True, False), reply.text


def test_a_page_that_asks_for_what_is_not_there(client, photo):
    kept = keep(client, photo)
    box = {"x": 0, "y": 0, "width": 8, "height": 8}
    mask = png(Image.new("L", (8, 8), 255))
    for path, asked, status, message in (
        ("/photos/unknown/completions", box, 404, "send it again"),
        (f"/photos/{kept}/completions", box | {"onto": 1}, 404, "there is no completion 1"),
        (f"/photos/{kept}/completions", box | {"x": 193}, 422, "the mask reaches 201, 8, and the photo is 200x160"),
        (f"/photos/{kept}/completions", box | {"x": -1}, 422, "x: Input should be greater than or equal to 0"),
        (f"/photos/{kept}/completions", box | {"width": 9}, 422, "they must be the same size"),
    ):
        reply = client.post(path, params=asked, content=mask)
        assert (reply.status_code, message in reply.json()["detail"]) == (status, True), reply.text
    for number in (0, 1, -1):
        assert client.get(f"/photos/{kept}/completions/{number}/file").status_code == 404
        assert client.get(f"/photos/{kept}/completions/{number}/picture").status_code == 404
    assert client.delete(f"/photos/{kept}").status_code == 204
    assert client.get(f"/photos/{kept}/preview").status_code == 404


def test_no_path_comes_from_a_request(client, photo):
    for path in ("/../app.py", "/..%2fapp.py", "/%2e%2e/app.py", "//etc/passwd", "/static/../../app.py"):
        with socket.create_connection((urlsplit(str(client.base_url)).hostname, client.base_url.port)) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert b" 404 " in raw.makefile("rb").readline()
    files = {"photo": ("../../etc/pass\nwd.jpg", photo.read_bytes()), "mask": ("m", MASK)}
    reply = client.post("/complete", files=files)
    name = unquote(reply.headers["content-disposition"].split("''")[1])
    assert re.fullmatch(r"pass.*wd\.completed\.png", name)
    assert "\n" not in name


def held(server, photo, release):
    """A request of which the server gets all but the end until `release` is set."""
    content = photo.read_bytes()

    def slowly():
        yield content[:100]
        assert release.wait(30)
        yield content[100:]

    return httpx.post(f"{server.address}photos", content=slowly(), timeout=60).status_code


def wait_for_requests(client, count):
    for _ in range(600):
        if client.get("/health").json()["requests"] == count:
            return
        time.sleep(0.05)
    raise AssertionError(client.get("/health").text)


def test_beyond_the_queue_and_beyond_the_time(weights, photo, tmp_path):
    release = threading.Event()
    with (
        serving(weights, tmp_path, "--queue", "1", "--time-limit", "20") as small,
        httpx.Client(base_url=small.address, timeout=60) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        waiting = [pool.submit(held, small, photo, release) for _ in range(2)]
        wait_for_requests(client, 2)
        refused = client.post("/photos", content=photo.read_bytes())
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        release.set()
        assert [one.result() for one in waiting] == [201, 201]
        wait_for_requests(client, 0)
        assert client.post("/photos", content=photo.read_bytes()).status_code == 201
    with serving(weights, tmp_path, "--time-limit", "0.5") as impatient:
        never = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(held, impatient, photo, never)
            with httpx.Client(base_url=impatient.address) as client:
                time.sleep(0.3)
                wait_for_requests(client, 0)
            never.set()
            assert late.result() == 408


def test_work_ends_when_the_client_goes(client, shipped_photos, tmp_path):
    path = tmp_path / "large.png"
    Image.open(shipped_photos / "astronaut.png").resize((1900, 1900)).save(path, compress_level=1)
    kept = keep(client, path)
    box = {"x": 50, "y": 50, "width": 1800, "height": 1800}
    mask = png(Image.new("L", (1800, 1800), 255))
    with client.stream("POST", f"/photos/{kept}/completions", params=box, content=mask) as reply:
        assert "progress" in next(reply.iter_text())
    wait_for_requests(client, 0)
    assert client.get(f"/photos/{kept}/completions/1/file").status_code == 404
    complete_in(client, kept, HOLE)  # and the next does not wait for it
    assert client.get(f"/photos/{kept}/completions/1/picture").status_code == 200


def test_what_the_server_says_of_itself(client):
    model = client.get("/model").json()
    assert model["runtime"] == "torch"
    assert model["spec"]["base_width"] == 4
    assert model["limits"]["max_bytes"] == 8 << 20
    described = client.get("/openapi.json").json()["paths"]
    assert {"/complete", "/health", "/model", "/photos/{photo}/select"} <= described.keys()
    assert "multipart/form-data" in described["/complete"]["post"]["requestBody"]["content"]
    for page in ("/", "/api.html", "/page.js"):
        assert client.get(page).headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
def test_the_readmes_request(server, photo, tmp_path, command):
    (line,) = re.findall(r"^\$ (curl .*)$", README.read_text(), re.MULTILINE)
    Image.open(photo).save(tmp_path / "photo.jpg")
    mask_of((200, 160), HOLE).save(tmp_path / "mask.png")
    words = shlex.split(line.replace("http://127.0.0.1:8000/", server.address))
    subprocess.run([*words, "--silent", "--fail"], cwd=tmp_path, check=True)
    assert (tmp_path / "done.jpg").read_bytes() == command(tmp_path / "photo.jpg", mask_of((200, 160), HOLE))


def test_load(server, client, photo):
    """8 clients with 25 requests each: every answer is right, and memory does not grow with their number."""
    files = {"photo": ("photo.png", photo.read_bytes()), "mask": ("mask.png", MASK)}
    expected = client.post("/complete", files=files).content

    def one_client(_, requests=25):
        with httpx.Client(base_url=server.address, timeout=60) as own:
            for _ in range(requests):
                reply = own.post("/complete", files=files)
                assert reply.status_code == 200
                assert reply.content == expected

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one_client, range(8), [8] * 8))  # what a first round makes the process keep, it has now
        before = server.memory()
        list(pool.map(one_client, range(8)))
    assert server.memory() - before < 48 << 20
    wait_for_requests(client, 0)
