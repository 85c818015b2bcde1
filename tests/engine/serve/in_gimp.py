"""What GIMP's python-fu-eval runs for test_gimp.py: each case opens a photo, selects, removes, and leaves the samples.

FOLDER in the environment holds cases.json, and gets results.json and the samples of layers, red first.
"""

import json
import os
from pathlib import Path

from gi.repository import Gegl, Gimp, Gio

FOLDER = Path(os.environ["FOLDER"])


def result_of(name, photo, selected=(), feather=0, layer=None):
    """What there is after a removal, in which files of this name have samples."""
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(photo))
    (chosen,) = image.get_layers()
    if layer:
        samples, (x, y, width, height) = Path(layer["samples"]).read_bytes(), layer["box"]
        kind, mode = Gimp.ImageType.RGBA_IMAGE, Gimp.LayerMode.NORMAL
        chosen = Gimp.Layer.new(image, "layer", width, height, kind, 100.0, mode)
        image.insert_layer(chosen, None, 0)
        chosen.set_offsets(x, y)
        buffer = chosen.get_buffer()
        buffer.set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", samples)
        buffer.flush()
    for box in selected:
        image.select_rectangle(Gimp.ChannelOps.ADD, *box)
    if feather:
        Gimp.Selection.feather(image, feather)
    size = image.get_width(), image.get_height()
    deep = image.get_precision() != Gimp.Precision.U8_NON_LINEAR
    form = "R'G'B'A u16" if deep else "R'G'B'A u8"
    keep(f"{name}.before", chosen, size, form)
    keep(f"{name}.selection", image.get_selection(), size, "Y u8")
    before = image.get_layers()
    procedure = Gimp.get_pdb().lookup_procedure("glcic-engine-remove")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", [chosen])
    answer = procedure.run(config)
    done = answer.index(0) == Gimp.PDBStatusType.SUCCESS
    result = {"problem": None if done else Gimp.get_pdb().get_last_error()}
    after = image.get_layers()
    added = [one for one in after if one not in before]
    result["added"] = [one.get_name() for one in added]
    for one in added:
        result["below"] = after[after.index(one) + 1].get_name()
        keep(f"{name}.after", one, size, form)
    image.delete()
    return result


def keep(name, drawable, size, form):
    _, x, y = drawable.get_offsets()
    box = Gegl.Rectangle.new(-x, -y, *size)
    (FOLDER / name).write_bytes(bytes(drawable.get_buffer().get(box, 1.0, form, Gegl.AbyssPolicy.NONE)))


results = {case["name"]: result_of(**case) for case in json.loads((FOLDER / "cases.json").read_text())}
(FOLDER / "results.json").write_text(json.dumps(results))
