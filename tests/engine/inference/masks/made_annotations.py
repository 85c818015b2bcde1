"""Files as annotation tools and painting programs write them, of one photo of 40x30, each with the mask it means."""

import base64
import json
import zipfile
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import psd_tools
from numpy.typing import NDArray
from PIL import Image
from psd_tools.constants import Resource
from psd_tools.psd.image_resources import ImageResource
from pycocotools import mask as coco_mask

WIDTH, HEIGHT = 40, 30
PHOTO = "photo.jpg"
Made = tuple[bytes, NDArray[np.bool_]]


def square(left: int = 10, top: int = 5, side: int = 10) -> NDArray[np.bool_]:
    mask_HW = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


CORNERS = [10, 5, 20, 5, 20, 15, 10, 15]
PAIRS = [[10, 5], [20, 5], [20, 15], [10, 15]]
PERCENT = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in PAIRS]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def png(samples: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(samples).save(file, "PNG")
    return file.getvalue()


def coco(shape: Any, **more: Any) -> bytes:
    return as_json(
        {
            "images": [
                {"id": 7, "file_name": f"train/{PHOTO}", "width": WIDTH, "height": HEIGHT},
                {"id": 8, "file_name": "train/other.jpg", "width": 9, "height": 9},
            ],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "traffic light"}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": shape, **more}],
        }
    )


def plain_rle(mask_HW: NDArray[np.bool_]) -> dict[str, Any]:
    flat = mask_HW.T.ravel()
    ends = [*np.flatnonzero(np.diff(flat)) + 1, flat.size]
    counts = np.diff([0, *ends]).tolist()
    return {"size": list(mask_HW.shape), "counts": [0, *counts] if flat[0] else counts}


def compressed_rle(mask_HW: NDArray[np.bool_]) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(mask_HW.astype(np.uint8)))
    return {"size": list(mask_HW.shape), "counts": rle["counts"].decode()}


def labelme(kind: str, points: Any, **more: Any) -> bytes:
    shape = {"label": "person", "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}
    return as_json(
        {"version": "5.5.0", "shapes": [shape], "imagePath": PHOTO, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    )


def label_studio(kind: str, value: Any, short: bool = False) -> bytes:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    if short:
        shapes = [{**size, **value, "rectanglelabels": ["person"]}]
        return as_json([{"image": f"/data/upload/1/0a1b2c3d-{PHOTO}", "id": 1, "label": shapes, "annotation_id": 3}])
    result = {"type": kind, **size, "value": {**value, kind: ["person"]}, "from_name": "tag", "to_name": "image"}
    task = {"id": 1, "data": {"image": f"/data/local-files/?d=photos/{PHOTO}"}, "annotations": [{"result": [result]}]}
    return as_json([task])


def brush_rle(mask_HW: NDArray[np.bool_]) -> list[int]:
    """Label Studio's RLE of RGBA in single values and runs of at most 2**16."""
    samples = np.repeat(mask_HW.astype(np.uint8)[..., None] * 255, 4, axis=2).ravel()
    bits = f"{samples.size:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    ends = [*np.flatnonzero(np.diff(samples)) + 1, samples.size]
    for start, end in zip([0, *ends], ends, strict=False):
        for first in range(start, end, 2**16):
            bits += f"111{min(end - first, 2**16) - 1:016b}{samples[start]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def cvat(shape: str, name: str = PHOTO) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task/></meta>'
        f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}">{shape}</image></annotations>'
    ).encode()


def cvat_video(shapes: str) -> bytes:
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    track = f'<track id="0" label="person">{shapes}</track>'
    return f"<annotations><meta><task>{size}</task></meta>{track}</annotations>".encode()


def supervisely(kind: str, **shape: Any) -> bytes:
    one = {"classTitle": "person", "geometryType": kind, "tags": [], **shape}
    return as_json({"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": [one]})


def supervisely_bitmap(mask_HW: NDArray[np.bool_]) -> str:
    image = Image.fromarray(mask_HW.astype(np.uint8))
    image.putpalette([0, 0, 0, 255, 255, 255])
    file = BytesIO()
    image.save(file, "PNG", transparency=0, optimize=0)
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def segment_anything(with_image: bool) -> bytes:
    found = [{"segmentation": compressed_rle(square()), "area": 100, "bbox": [0, 0, 1, 1], "predicted_iou": 0.9}]
    if not with_image:
        return as_json(found)
    return as_json({"image": {"file_name": PHOTO, "width": WIDTH, "height": HEIGHT}, "annotations": found})


def stroke(mask_HW: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A layer of the photo's size on which the mask is painted in red, in RGBA."""
    return np.where(mask_HW[..., None], [200, 30, 30, 255], 0).astype(np.uint8)


def openraster(name: str = "Mask") -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        layers = f'<layer name="{name}" src="data/1.png" x="8" y="4"/><layer name="photo" src="data/0.png"/>'
        archive.writestr("stack.xml", f'<image w="{WIDTH}" h="{HEIGHT}"><stack>{layers}</stack></image>')
        archive.writestr("data/0.png", png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)))
        archive.writestr("data/1.png", png(stroke(square())[4:20, 8:30]))
    return file.getvalue()


def krita(name: str = "mask", kind: str = "paintlayer") -> bytes:
    """Tiles are packed in literal runs, which is LZF, too."""
    samples = np.zeros((64, 64, 4), np.uint8)
    samples[:HEIGHT, :WIDTH] = stroke(square())[..., [2, 1, 0, 3]]
    if kind == "selectionmask":
        samples = samples[..., 3:]
    planes = samples.transpose(2, 0, 1).tobytes()
    packed = b"\1" + b"".join(b"\x1f" + planes[i : i + 32] for i in range(0, len(planes), 32))
    pixel = samples.shape[2]
    head = b"VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE %d\nDATA 1\n0,0,LZF,%d\n" % (pixel, len(packed))
    data = "layer2.pixelselection" if kind == "selectionmask" else "layer2"
    node = f'name="{name}" nodetype="{kind}" filename="layer2" x="0" y="0" colorspacename="RGBA"'
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/x-krita")
        archive.writestr(
            "maindoc.xml",
            "<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE DOC PUBLIC '-//KDE//DTD krita 2.0//EN' "
            "'http://www.calligra.org/DTD/krita-2.0.dtd'>\n<DOC xmlns='http://www.calligra.org/DTD/krita'>"
            f"<IMAGE name='doc' width='{WIDTH}' height='{HEIGHT}'><layers><layer {node}/></layers></IMAGE></DOC>",
        )
        archive.writestr(f"doc/layers/{data}", head + packed)
        archive.writestr(f"doc/layers/{data}.defaultpixel", bytes(pixel))
    return file.getvalue()


def photoshop(what: str) -> bytes:
    """A document whose mask is a layer, a layer's mask or a saved selection."""
    document = psd_tools.PSDImage.new("RGB", (WIDTH, HEIGHT))
    document.create_pixel_layer(Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)), name="photo")
    if what == "layer":
        document.create_pixel_layer(Image.fromarray(stroke(square())[4:20, 8:30]), name="Mask", top=4, left=8)
    if what == "layer mask":
        document[0].create_mask(Image.fromarray(square().astype(np.uint8) * 255))
    file = BytesIO()
    document.save(file)
    return with_selection(file.getvalue()) if what == "selection" else file.getvalue()


def with_selection(content: bytes) -> bytes:
    """A document with the square as a fourth channel, as Photoshop saves a selection."""
    document = psd_tools.PSDImage.open(BytesIO(content))
    record = document._record
    planes = [bytes(HEIGHT * WIDTH)] * 3 + [(square().astype(np.uint8) * 255).tobytes()]
    record.header.channels = 4
    record.image_data.set_data(planes, record.header)
    for key, value in ((Resource.ALPHA_NAMES_UNICODE, names_of("Alpha 1")), (Resource.ALPHA_IDENTIFIERS, b"\0\0\0\3")):
        record.image_resources[key] = ImageResource(key=key.value, data=value)
    file = BytesIO()
    record.write(file)
    return file.getvalue()


def names_of(name: str) -> bytes:
    return (len(name) + 1).to_bytes(4, "big") + (name + "\0").encode("utf-16-be")


def inclusive() -> NDArray[np.bool_]:
    return square(side=11)


def made() -> dict[str, Made]:
    """Each tool's file of a square of 10 (or of 11, as tools draw whose corners are pixels that belong to it)."""
    runs = "0,100"
    return {
        "coco polygon": (coco([CORNERS]), square()),
        "coco plain rle": (coco(plain_rle(square()), iscrowd=1), square()),
        "coco compressed rle": (coco(compressed_rle(square())), square()),
        "coco box": (coco([], bbox=[10, 5, 10, 10]), square()),
        "labelme polygon": (labelme("polygon", PAIRS), inclusive()),
        "labelme rectangle": (labelme("rectangle", [[20, 15], [10, 5]]), inclusive()),
        "labelme mask": (
            labelme("mask", [[10, 5], [19, 14]], mask=base64.b64encode(png(np.full((10, 10), 255, np.uint8))).decode()),
            square(),
        ),
        "label studio rectangle": (
            label_studio("rectanglelabels", {"x": 25, "y": 100 / 6, "width": 25, "height": 100 / 3, "rotation": 0}),
            square(),
        ),
        "label studio polygon": (label_studio("polygonlabels", {"points": PERCENT}), square()),
        "label studio brush": (label_studio("brushlabels", {"format": "rle", "rle": brush_rle(square())}), square()),
        "label studio short": (
            label_studio("", {"x": 25, "y": 100 / 6, "width": 25, "height": 100 / 3, "rotation": 0}, short=True),
            square(),
        ),
        "cvat box": (cvat('<box label="person" xtl="10.00" ytl="5.00" xbr="20.00" ybr="15.00"/>'), inclusive()),
        "cvat polygon": (cvat('<polygon label="person" points="10,5;20,5;20,15;10,15"/>'), square()),
        "cvat mask": (
            cvat(f'<mask label="person" rle="{runs}" left="10" top="5" width="10" height="10"/>'),
            square(),
        ),
        "supervisely bitmap": (
            supervisely("bitmap", bitmap={"data": supervisely_bitmap(square(0, 0)[:10, :10]), "origin": [10, 5]}),
            square(),
        ),
        "supervisely rectangle": (
            supervisely("rectangle", points={"exterior": [[10, 5], [20, 15]], "interior": []}),
            inclusive(),
        ),
        "supervisely polygon": (supervisely("polygon", points={"exterior": PAIRS, "interior": []}), inclusive()),
        "segment anything": (segment_anything(with_image=False), square()),
        "sa-1b": (segment_anything(with_image=True), square()),
        "openraster": (openraster(), square()),
        "krita layer": (krita(), square()),
        "krita selection": (krita("Local Selection", "selectionmask"), square()),
        "photoshop layer": (photoshop("layer"), square()),
        "photoshop layer mask": (photoshop("layer mask"), square()),
        "photoshop selection": (photoshop("selection"), square()),
    }
