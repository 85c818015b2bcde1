"""One thing that is removed from a layer, while the paint program's own thread shows how far it is."""

from __future__ import annotations

import json
import threading
import traceback
from contextlib import suppress
from typing import Any, Callable

from .picture import Picture
from .problem import Cancelled, Problem
from .server import Server, Settings


class Removal(threading.Thread):
    """Removes what a mask marks. While it is alive, `said` and `share`, from 0 to 1, are its progress.

    Afterwards there is a `picture`, or a `problem` to tell, or neither if it was cancelled.
    """

    def __init__(
        self,
        settings: Settings,
        program: int,
        photo: Callable[[], bytes],
        mask: Callable[[], bytes],
        box: tuple[int, int, int, int],
        deep: bool = False,
    ) -> None:
        """`photo` makes the layer's PNG, and `mask` that of `box` (x, y, width, height), white where the thing is. If
        `deep`, the picture has the 16 bits of the layer. A server that is started here ends with the process `program`.
        """
        super().__init__(name="glcic-engine", daemon=True)
        self.server = Server(settings, program)
        self.photo, self.mask, self.box, self.deep = photo, mask, box, deep
        self.said, self.share = "Looking for engine-serve", 0.0
        self.picture: Picture | None = None
        self.problem: str | None = None

    def cancel(self) -> None:
        """End it soon."""
        self.server.cancel()

    def run(self) -> None:
        try:
            self.picture = self.removed()
        except Cancelled:
            pass
        except Problem as problem:
            self.problem = str(problem)
        except Exception as error:
            traceback.print_exc()
            self.problem = f"the plug-in failed, by a fault of its own ({type(error).__name__}: {error})"

    def removed(self) -> Picture:
        """The picture. Problem, or Cancelled."""
        if not self.server.is_there():
            self.said = "Starting engine-serve, which takes some seconds"
            self.server.start()
        self.said = "Sending the layer"
        kept = json.loads(self.server.answer("POST", "/photos?name=layer.png", self.photo()))["photo"]
        try:
            query = "x={}&y={}&width={}&height={}".format(*self.box)
            done = self.completed(f"/photos/{kept}/completions?{query}")
            number, deep = done["completion"], "?deep=true" if self.deep else ""
            content = self.server.answer("GET", f"/photos/{kept}/completions/{number}/picture{deep}")
            return Picture(tuple(done["box"]), content, done["replaces"], done["warnings"])
        finally:
            self.forget(kept)

    def completed(self, path: str) -> dict[str, Any]:
        """The last event of a completion. Problem, or Cancelled."""
        self.said = "Completing"
        for kind, data in self.server.events("POST", path, self.mask()):
            if kind == "completed":
                return data
            if kind == "error":
                raise Problem(data["detail"])
            where = "" if data["scale"] == 1 else f" at 1/{data['scale']} of the size"
            self.said = f"Completing{where}: part {data['done'] + 1} of {data['windows']}"
            self.share = data["done"] / max(data["windows"], 1)
        raise Problem(f"{self.server.settings.address} ended before it had completed the layer; try again")

    def forget(self, kept: str) -> None:
        """Tell the server that the photo is not needed any more, which it would find out itself, later."""
        server = Server(self.server.settings, self.server.program)  # another: this one may be cancelled
        with suppress(Problem):
            server.answer("DELETE", f"/photos/{kept}")
