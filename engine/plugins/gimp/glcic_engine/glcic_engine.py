#!/usr/bin/env python3
"""GIMP 3's plug-in: Filters > Enhance > Remove what is selected.

Colours are sent as sRGB, of 8 bits where the image has these and else of 16, and GIMP converts what comes back into the
image's own colours.
"""

from __future__ import annotations

import sys
import tempfile
import time
from array import array
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from engine_client.picture import Picture, is_whole, whole, whole_note  # noqa: E402
from engine_client.png import HALF, png  # noqa: E402
from engine_client.problem import Problem  # noqa: E402
from engine_client.removal import Removal  # noqa: E402
from engine_client.server import read_settings  # noqa: E402
from gi.repository import Gegl, Gimp, Gio, GLib  # noqa: E402

NAME, TITLE = "glcic-engine-remove", "Remove what is selected"
SETTINGS = Path(__file__).parent / "server.json"

SECONDS_BETWEEN = 0.1
"""In which GIMP's bar of progress is drawn again."""


class Selected(NamedTuple):
    """A layer, as far as the image reaches, and what is selected in it."""

    image: Any
    layer: Any
    size: tuple[int, int]
    bits: int
    pixels: bytes
    """Red, green, blue, alpha."""
    box: tuple[int, int, int, int]
    """x, y, width, height of what is selected."""
    mask: bytes
    """From 0 to 255, of the box."""

    def photo(self) -> bytes:
        """The layer as a PNG, which has the higher byte first."""
        if self.bits == 8 or sys.byteorder == "big":
            return png(*self.size, self.pixels, self.bits)
        samples = array("H", self.pixels)
        samples.byteswap()
        return png(*self.size, samples.tobytes(), self.bits)


def selected_in(image: Any, drawables: list[Any]) -> Selected:
    """What is selected in the layer that is chosen. Problem if it cannot be completed."""
    if len(drawables) != 1 or not isinstance(drawables[0], Gimp.Layer):
        raise Problem("Choose one layer, and no mask or channel, to remove something from.")
    (layer,) = drawables
    _, is_one, left, top, right, bottom = Gimp.Selection.bounds(image)
    box = left, top, right - left, bottom - top
    mask = samples_of(image.get_selection(), "Y u8", box) if is_one else b"\0"
    if max(mask) < HALF:
        raise Problem("Nothing is selected by half or more: select what is to be removed.")
    size = image.get_width(), image.get_height()
    bits = 8 if image.get_precision() == Gimp.Precision.U8_NON_LINEAR else 16
    _, x, y = layer.get_offsets()
    return Selected(image, layer, size, bits, samples_of(layer, colours(bits), (-x, -y, *size)), box, mask)


def colours(bits: int) -> str:
    """Babl's name for pixels of sRGB with alpha."""
    return f"R'G'B'A u{bits}"


def samples_of(drawable: Any, form: str, box: tuple[int, int, int, int]) -> bytes:
    """A drawable's samples in a box (x, y, width, height), 0 beyond its edges."""
    return bytes(drawable.get_buffer().get(Gegl.Rectangle.new(*box), 1.0, form, Gegl.AbyssPolicy.NONE))


def removed(selected: Selected) -> Picture:
    """What the server completes; GIMP's bar shows how far it is, and cancelling that ends this process. Problem."""
    mask = partial(png, *selected.box[2:], selected.mask, channels=1)
    settings, deep = read_settings(SETTINGS), selected.bits > 8
    removal = Removal(settings, Gimp.getpid(), selected.photo, mask, selected.box, deep)
    Gimp.progress_init(removal.said)
    removal.start()
    while removal.is_alive():
        Gimp.progress_set_text(removal.said)
        Gimp.progress_update(removal.share)
        time.sleep(SECONDS_BETWEEN)
    if removal.picture is None:
        raise Problem(removal.problem)
    return removal.picture


def add_above(selected: Selected, picture: Picture) -> list[str]:
    """Add the completed pixels as a new layer above; what is to be told of it."""
    image, layer, notes = selected.image, selected.layer, list(picture.notes)
    new, (x, y) = loaded(image, picture.png), picture.box[:2]
    box = 0, 0, *picture.box[2:]
    alpha = samples_of(new, colours(8), box)[3::4]
    if is_whole(picture, alpha):
        pixels = samples_of(new, colours(selected.bits), box)
        all_pixels = whole(selected.pixels, selected.size[0], selected.bits // 2, picture, pixels, alpha)
        new, x, y = layer_of(selected, all_pixels), 0, 0
        notes.append(whole_note(layer.get_name()))
    new.set_name(f"{layer.get_name()}, completed")
    image.insert_layer(new, layer.get_parent(), image.get_item_position(layer))
    new.set_offsets(x, y)
    return notes


def loaded(image: Any, content: bytes) -> Any:
    """A PNG as a layer for an image, in which it is not yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "completed.png")
        path.write_bytes(content)
        return Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(path)))


def layer_of(selected: Selected, pixels: bytes) -> Any:
    """A layer of the image's size with these pixels, which is not yet in the image."""
    kind, mode = Gimp.ImageType.RGBA_IMAGE, Gimp.LayerMode.NORMAL
    new = Gimp.Layer.new(selected.image, None, *selected.size, kind, 100.0, mode)
    buffer = new.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, *selected.size), colours(selected.bits), pixels)
    buffer.flush()
    return new


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any, data: Any) -> Any:
    """What GIMP calls from its menu."""
    try:
        selected = selected_in(image, drawables)
        picture = removed(selected)
    except Problem as problem:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(problem)))
    image.undo_group_start()
    try:
        notes = add_above(selected, picture)
    finally:
        image.undo_group_end()
    Gimp.displays_flush()
    for note in notes:
        Gimp.message(note)
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


class Remover(Gimp.PlugIn):
    """What GIMP knows of the plug-in."""

    def do_query_procedures(self) -> list[str]:
        return [NAME]

    def do_set_i18n(self, name: str) -> bool:
        return False

    def do_create_procedure(self, name: str) -> Any:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("RGB*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label(TITLE)
        procedure.add_menu_path("<Image>/Filters/Enhance")
        does = "Completes what is selected in a layer by glcic-engine, on a new layer above it."
        procedure.set_documentation(does, does, name)
        procedure.set_attribution("glcic-engine", "Apache-2.0", "2026")
        return procedure


Gimp.main(Remover.__gtype__, sys.argv)
