"""The menu's action: a dialog that shows how far it is and can cancel it, and what is to be told afterwards."""

from __future__ import annotations

import time
from typing import Any

from krita import Extension, Krita
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication, QMessageBox, QProgressDialog

from .engine_client.problem import Problem
from .engine_client.removal import Removal
from .layers import Selected, add_above

ACTION, TITLE = "glcic_engine_remove", "Remove what is selected"

SECONDS_BETWEEN = 0.05
"""In which the dialog is drawn again, and Cancel is seen."""

SECONDS_TO_READ = 8


class Remover(Extension):
    """What Krita keeps of the plug-in."""

    def setup(self) -> None:
        """Nothing is to be done before there is a window."""

    def createActions(self, window: Any) -> None:
        action = window.createAction(ACTION, TITLE, "tools/scripts")
        action.triggered.connect(self.remove)

    def remove(self) -> None:
        window = Krita.instance().activeWindow()
        try:
            notes = remove_from(Krita.instance().activeDocument(), None, window and window.qwindow())
        except Problem as problem:
            QMessageBox.warning(window and window.qwindow(), TITLE, str(problem))
        else:
            for note in notes:
                window.activeView().showFloatingMessage(
                    note, Krita.instance().icon("warning"), SECONDS_TO_READ * 1000, 1
                )


def remove_from(document: Any, layer: Any, parent: Any) -> list[str]:
    """Remove what is selected in a document from a layer, or from the one that is active; what is to be told of it.

    Problem if it cannot be. `parent` is the window over which the progress is shown.
    """
    selected = Selected.of(document, layer)
    removal = Removal(*selected.for_server())
    dialog = QProgressDialog(removal.said, "Cancel", 0, 100, parent)
    dialog.setWindowTitle(TITLE)
    dialog.setWindowModality(Qt.ApplicationModal)
    dialog.setAutoClose(False)
    dialog.setAutoReset(False)
    dialog.setMinimumDuration(0)
    removal.start()
    try:
        while removal.is_alive() and not dialog.wasCanceled():
            dialog.setLabelText(removal.said)
            dialog.setValue(round(removal.share * 100))
            QApplication.processEvents()
            time.sleep(SECONDS_BETWEEN)
        if dialog.wasCanceled():
            removal.cancel()
            return []
    finally:
        dialog.close()
        dialog.deleteLater()
    if removal.problem is not None:
        raise Problem(removal.problem)
    return removal.picture.notes + add_above(selected, removal.picture)
