// The page: what people do, tied to what happens, and what is possible shown.

import * as completing from "./completing.js";
import { listenToControls } from "./controls.js";
import { desk, stage, view, whenChanged } from "./desk.js";
import { keep, wouldLose } from "./keep.js";
import { complain } from "./messages.js";
import * as painting from "./painting.js";
import * as photos from "./photos.js";
import { listen } from "./pointers.js";
import * as server from "./server.js";
import { refreshStrip } from "./strip.js";
import { addSomething } from "./strokes.js";
import * as viewing from "./viewing.js";

const $ = (id) => document.getElementById(id);
const { painter, size } = painting;

/** Hides what this page's server has not: a page that completes photos itself has another `server.js`. */
function hideWhatIsMissing() {
  for (const element of document.querySelectorAll("[data-needs]")) element.hidden = !server.offers.includes(element.dataset.needs);
}

/** Shows what is possible now. */
function refresh() {
  const { history, idle, running } = desk;
  const isOpen = desk.photo !== null;
  const completed = history.completions.length > 0;
  const painted = addSomething(history.hole);
  desk.comparing &&= completed;
  enable("undo", idle && history.canUndo);
  enable("redo", idle && history.canRedo);
  enable("compare", idle && completed);
  enable("download", idle && completed);
  enable("complete", idle && painted);
  enable("another", idle && completed && !painted);
  enable("clear-areas", idle && Object.values(history.areas).some(addSomething));
  for (const id of ["grow", "shrink", "grow-by", "shadow"]) enable(id, idle && painted);
  enable("subtract", idle && painter.drawsAround);
  for (const id of ["open", "choose", "choose-folder", "add", "add-folder"]) enable(id, !running);
  for (const id of ["close", "close-all"]) enable(id, idle);
  enable("complete-all", idle && desk.photos.some((photo) => photo.painted));
  enable("download-all", idle && desk.photos.some((photo) => photo.completed));
  refreshStrip(photos.choose);
  for (const button of document.querySelectorAll("#tools button, #zoom button, #size")) button.disabled = !isOpen;
  for (const button of $("tools").children) button.setAttribute("aria-pressed", button.dataset.tool === painter.tool);
  $("subtract").setAttribute("aria-pressed", painter.subtract);
  $("compare").setAttribute("aria-pressed", desk.comparing);
  $("comparison").hidden = !desk.comparing && !desk.looking;
  $("comparison").classList.toggle("looking", desk.looking);
  $("cancel").hidden = !running;
  stage.classList.toggle("busy", running !== null);
  stage.classList.toggle("grab", painter.tool === "hand");
  stage.classList.toggle("cross", painter.drawsAround);
  painter.hover();
  view.redraw();
}

function enable(id, possible) {
  $(id).disabled = !possible || $(id).hidden;
}

/** Ends what is going on: the task, the stroke or the comparison. */
function cancel() {
  if (desk.running) desk.running.abort();
  else if (painter.stroke) painter.abandon();
  else if (desk.comparing) viewing.compare();
}

hideWhatIsMissing();
whenChanged(refresh);
whenChanged(keep);
listen(stage, view, painter);
listenToControls({
  stage,
  painter,
  size,
  isOpen: () => desk.photo !== null,
  actions: { ...completing, ...painting, ...viewing, ...photos, cancel, redraw: () => view.redraw() },
});
addEventListener("beforeunload", (event) => {
  if (wouldLose()) event.preventDefault();
});
addEventListener("pagehide", (event) => {
  if (!event.persisted) for (const photo of desk.photos) photo.drop();
});
size.set(40);
refresh();
photos.reopen();
server.letIn().catch(complain);
