"""A plug-in that test_krita.py gives to Krita: it does what a user does, leaves what it sees, and ends Krita.

FOLDER in the environment is where seen.json is to be, SCREENSHOT the file for a picture of the window.
"""

import json
import os
import traceback
from pathlib import Path

from krita import Extension, Krita, Selection
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QMessageBox

ACTION = "glcic_engine_remove"
BETWEEN = 200
"""Milliseconds after which Krita is looked at again: what it does itself happens between."""

SELECTED = 115, 60, 60, 250
seen = {}


def steps():
    """What a user does; each yield lets Krita go on."""
    krita = Krita.instance()
    while krita.activeDocument() is None or krita.activeDocument().activeNode() is None:
        yield
    document = krita.activeDocument()
    seen["text"] = krita.action(ACTION).text().replace("&", "")
    QTimer.singleShot(BETWEEN, press_ok)
    krita.action(ACTION).trigger()
    selection = Selection()
    selection.select(*SELECTED, 255)
    document.setSelection(selection)
    yield
    krita.action(ACTION).trigger()
    while "Background, completed" not in names(document):
        yield
    seen["removed"] = names(document)
    krita.action("deselect").trigger()
    for _ in range(10):
        yield
    krita.activeWindow().qwindow().grab().save(os.environ["SCREENSHOT"])
    while document.selection() is None:
        krita.action("edit_undo").trigger()
        yield
    krita.action("edit_undo").trigger()
    while "Background, completed" in names(document):
        yield
    seen["undone"] = names(document)
    krita.action("edit_redo").trigger()
    while "Background, completed" not in names(document):
        yield
    seen["redone"] = names(document)


def names(document):
    """Of the layers, from below; a selection is a node, too."""
    return [one.name() for one in document.topLevelNodes() if one.type() == "paintlayer"]


def press_ok():
    """Note what a message says, once it is there, and close it."""
    messages = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMessageBox) and one.isVisible()]
    seen["nothing selected"] = [one.text() for one in messages]
    for one in messages:
        one.accept()
    if not messages:
        QTimer.singleShot(BETWEEN, press_ok)


running = steps()


def go_on():
    try:
        next(running)
    except BaseException as error:
        if not isinstance(error, StopIteration):
            seen["error"] = traceback.format_exc()
        Path(os.environ["FOLDER"], "seen.json").write_text(json.dumps(seen))
        os._exit(0)
    QTimer.singleShot(BETWEEN, go_on)


class Driver(Extension):
    def setup(self):
        pass

    def createActions(self, window):
        QTimer.singleShot(BETWEEN, go_on)


Krita.instance().addExtension(Driver(Krita.instance()))
