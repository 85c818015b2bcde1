// What sets off the page's actions: its buttons, the wheel, the keyboard, and photos that are dropped on it.

import { listenToDrops, photosIn } from "./drops.js";
import { listenToKeys } from "./keys.js";
import { dismiss } from "./messages.js";
import { clamp } from "./strokes.js";

const $ = (id) => document.getElementById(id);

/** `isOpen()` says whether there is a photo; `actions` has what the page does, by name. */
export function listenToControls({ stage, painter, size, isOpen, actions }) {
  listenToButtons(actions);
  listenToWheel(stage, painter, size, actions);
  listenToDrops(actions.open);
  const singleKeys = remembered($("shortcuts"), "shortcuts");
  listenToKeys({
    stage,
    singleKeys,
    isOpen,
    hold: (held) => {
      painter.spaceHeld = held;
      stage.classList.toggle("grab", held || painter.tool === "hand");
      painter.hover();
    },
    actions: {
      ...actions,
      open: () => $("open").click(),
      help: () => $("help").click(),
      resize: (factor) => size.multiply(factor),
    },
  });
}

function listenToButtons(actions) {
  $("open").onclick = $("choose").onclick = $("add").onclick = () => $("file").click();
  $("choose-folder").onclick = $("add-folder").onclick = () => $("folder").click();
  for (const input of [$("file"), $("folder")]) {
    input.onchange = () => {
      const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
      actions.open(Promise.resolve(photosIn(files)));
      input.value = ""; // so that the same file can be chosen again
    };
  }
  $("close").onclick = actions.close;
  $("close-all").onclick = actions.closeAll;
  $("complete-all").onclick = actions.completeAll;
  $("download-all").onclick = actions.downloadAll;
  $("undo").onclick = actions.undo;
  $("redo").onclick = actions.redo;
  $("compare").onclick = actions.compare;
  $("download").onclick = actions.download;
  $("complete").onclick = actions.complete;
  $("another").onclick = actions.another;
  $("clear-areas").onclick = actions.clearAreas;
  $("subtract").onclick = actions.toggleSubtract;
  $("grow").onclick = () => actions.grow(1);
  $("shrink").onclick = () => actions.grow(-1);
  $("shadow").onclick = actions.addShadow;
  $("cancel").onclick = actions.cancel;
  $("dismiss").onclick = dismiss;
  $("help").onclick = () => $("help-dialog").showModal();
  $("divider").oninput = actions.redraw;
  $("zoom-in").onclick = () => actions.zoom(1.25);
  $("zoom-out").onclick = () => actions.zoom(0.8);
  $("zoom-fit").onclick = actions.fit;
  for (const button of $("tools").children) button.onclick = () => actions.setTool(button.dataset.tool);
}

function listenToWheel(stage, painter, size, actions) {
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const factor = Math.exp(-clamp(event.deltaY, -100, 100) / 400);
    if (event.ctrlKey || event.metaKey) actions.zoom(factor ** 2, painter.place);
    else size.multiply(factor);
  }, { passive: false });
}

/** Keeps whether a box is checked over visits; gives a function that says whether it is. */
function remembered(box, name) {
  box.checked = localStorage.getItem(name) !== "off";
  box.onchange = () => localStorage.setItem(name, box.checked ? "on" : "off");
  return () => box.checked;
}
