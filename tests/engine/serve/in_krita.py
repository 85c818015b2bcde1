"""What kritarunner runs for test_krita.py: each case opens a photo, selects, removes, and leaves what Krita has then.

kritarunner -s in_krita -f main, with FOLDER in the environment: it holds cases.json, and gets results.json and the
samples of layers as Krita has them. Krita's own Python runs this, without the engine.
"""

import json
import os
from pathlib import Path

from glcic_engine import layers
from glcic_engine.engine_client.problem import Problem
from glcic_engine.extension import remove_from
from krita import Krita, Selection
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QProgressDialog

FOLDER = Path(os.environ["FOLDER"])


def main(arguments):
    Krita.instance().setBatchmode(True)  # else it asks for the profile of a photo of 16 bits
    results = {case["name"]: result_of(**case) for case in json.loads((FOLDER / "cases.json").read_text())}
    (FOLDER / "results.json").write_text(json.dumps(results))


def result_of(name, photo, settings, convert=None, layer=None, group=False, selected=(), feather=0, cancel=False):
    """What there is after a removal, in which files of this name have samples."""
    layers.SETTINGS = Path(settings)
    document = Krita.instance().openDocument(photo)
    node = document.topLevelNodes()[0]
    if convert:
        assert node.setColorSpace(*convert, Krita.instance().profiles(*convert)[0])
    if layer:
        node = document.createNode("layer", "paintlayer")
        node.setPixelData(Path(layer["samples"]).read_bytes(), *layer["box"])
        document.rootNode().addChildNode(node, None)
    if group:
        inside, node = node.clone(), document.createGroupLayer("layer")
        document.rootNode().addChildNode(node, None)
        node.addChildNode(inside, None)
        document.refreshProjection()
    if selected:
        selection = Selection()
        for box in selected:
            selection.select(*box)
        if feather:
            selection.feather(feather)
        document.setSelection(selection)
    document.waitForDone()
    canvas = 0, 0, document.width(), document.height()
    before = [one.name() for one in document.topLevelNodes()]
    keep(f"{name}.before", node.projectionPixelData(*canvas))
    if selected:
        keep(f"{name}.selection", document.selection().pixelData(*canvas))
    if cancel:
        QTimer.singleShot(300, press_cancel)
    result = {"problem": None, "notes": []}
    try:
        result["notes"] = remove_from(document, node, None)
    except Problem as problem:
        result["problem"] = str(problem)
    there = document.topLevelNodes()
    result["names"] = [one.name() for one in there]
    result["added"] = [one.name() for one in there if one.name() not in before]
    for one in there:
        if one.name() in result["added"]:
            result["bounds"] = one.bounds().getRect()
            result["above"] = there[there.index(one) - 1].name()
            result["space"] = one.colorModel(), one.colorDepth(), one.colorProfile() == node.colorProfile()
            keep(f"{name}.after", one.pixelData(*canvas))
    document.close()
    return result


def press_cancel():
    (dialog,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, QProgressDialog)]
    dialog.cancel()


def keep(name, samples):
    (FOLDER / name).write_bytes(bytes(samples))
