// The page: a photo, what was done to it, and the buttons and keys that do it.

import { History } from "./history.js";
import { listenToKeys } from "./keys.js";
import { Painter } from "./painter.js";
import { listen } from "./pointers.js";
import * as server from "./server.js";
import { clamp, maskOf } from "./strokes.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const stage = $("stage");

let file = null; // as the person chose it
let photo = null; // the server's name for it
let history = new History();
let running = null; // what aborts the request that is under way
let comparing = false;
let largestSize = 400; // of the brush

const view = new View(stage, $("photo"), $("mask"));
const painter = new Painter(view, $("cursor"), addStroke, () => !running && !comparing);
listen(stage, view, painter);

function scene() {
  const strokes = painter.stroke ? [...history.strokes, painter.stroke] : history.strokes;
  return { completions: history.completions, strokes, split: comparing ? Number($("divider").value) : null };
}

// ---- Messages

/** Says something where screen readers hear it too. */
function say(text) {
  $("status").textContent = text;
  $("notice").hidden = !text;
}

function complain(error) {
  if (!(error instanceof server.Refused)) console.error(error);
  $("alert").firstElementChild.textContent = error.message;
  $("alert").hidden = false;
  say("");
}

/** Shows what is possible now. */
function refresh() {
  const idle = file !== null && !running;
  const completed = history.completions.length > 0;
  comparing &&= completed;
  $("undo").disabled = !idle || !history.canUndo;
  $("redo").disabled = !idle || !history.canRedo;
  $("compare").disabled = $("download").disabled = !idle || !completed;
  $("compare").setAttribute("aria-pressed", comparing);
  $("comparison").hidden = !comparing;
  $("complete").disabled = !idle || history.strokes.length === 0;
  $("open").disabled = $("choose").disabled = running !== null;
  $("cancel").hidden = running === null;
  for (const button of document.querySelectorAll("#tools button, #zoom button")) button.disabled = file === null;
  $("size").disabled = file === null;
  stage.classList.toggle("busy", running !== null);
  stage.classList.toggle("grab", painter.tool === "hand");
  stage.classList.toggle("cross", painter.tool === "rectangle");
  painter.hover();
  view.redraw();
}

/** Runs `task(signal)`, one at a time, until it ends or is cancelled; what goes wrong is shown. */
async function run(task) {
  running = new AbortController();
  $("alert").hidden = true;
  refresh();
  try {
    await task(running.signal);
  } catch (error) {
    if (error.name === "AbortError") say("Cancelled.");
    else complain(error);
  } finally {
    running = null;
    refresh();
  }
}

// ---- The photo

async function open(chosen) {
  if (!chosen || running) return;
  await run(async () => {
    say(`Opening ${chosen.name}…`);
    const [shown, kept] = await Promise.all([createImageBitmap(chosen).catch(() => null), server.sendPhoto(chosen)]);
    const same = shown?.width === kept.width && shown?.height === kept.height;
    const bitmap = same ? shown : await createImageBitmap(await server.preview(kept.photo));
    if (photo) server.dropPhoto(photo);
    [file, photo, history, comparing] = [chosen, kept.photo, new History(), false];
    $("welcome").hidden = true;
    stage.hidden = false;
    $("photo-name").textContent = `${chosen.name} · ${kept.width} × ${kept.height}`;
    await view.show(bitmap, scene);
    const longest = Math.max(kept.width, kept.height);
    largestSize = Math.max(longest / 3, 64);
    painter.key = null;
    setSize(longest / 20);
    stage.focus({ preventScroll: true });
    say(`${kept.width} × ${kept.height} pixels. Paint over what should go.`);
  });
}

/** What `request()` gives; if the server has dropped the photo meanwhile, after it was sent again. */
async function withPhoto(request, signal) {
  try {
    return await request();
  } catch (error) {
    if (error.status !== 404) throw error;
    await sendAgain(signal);
    return request();
  }
}

/** Sends the photo again and repeats its completions, which come out the same. */
async function sendAgain(signal) {
  say("Sending the photo again…");
  photo = (await server.sendPhoto(file)).photo;
  let onto = 0;
  for (const completion of history.everyCompletion) {
    onto = completion.number = (await server.complete(photo, onto, completion.mask, signal, () => {})).completion;
  }
}

const latest = () => history.completions.at(-1)?.number ?? 0;

function sayStep({ scale, done, windows }) {
  const where = scale === 1 ? "" : ` at 1/${scale} of the resolution`;
  const share = done ? `, ${done} of ${windows} windows` : "";
  say(`Completing${where}${share}…`);
}

async function complete() {
  if (running || !file || history.strokes.length === 0) return;
  await run(async (signal) => {
    const mask = await maskOf(history.strokes, view.bitmap);
    if (!mask) throw new server.Refused(0, "Nothing is painted on the photo; paint over what should go.");
    say("Completing…");
    const began = performance.now();
    const [done, region] = await withPhoto(async () => {
      const done = await server.complete(photo, latest(), mask, signal, sayStep);
      return [done, await server.picture(photo, done.completion)];
    }, signal);
    const [x, y] = done.box;
    const picture = await createImageBitmap(region);
    history.push({ completion: { number: done.completion, x, y, picture, replaces: done.replaces, mask } });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    say([`Completed in ${seconds} s.`, ...done.warnings.map((warning) => `Note: ${warning}.`)].join(" "));
  });
}

async function download() {
  if (running || latest() === 0) return;
  await run(async (signal) => {
    say("Writing the file…");
    const { name, blob } = await withPhoto(() => server.completedFile(photo, latest()), signal);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`Saved as ${name}.`);
  });
}

// ---- What was done

function addStroke(stroke) {
  history.push({ stroke });
  say("");
  refresh();
}

function undo() {
  if ($("undo").disabled) return;
  say(history.undo().stroke ? "Stroke undone." : "Completion undone.");
  refresh();
}

function redo() {
  if ($("redo").disabled) return;
  say(history.redo().stroke ? "Stroke redone." : "Completion redone.");
  refresh();
}

function compare() {
  if ($("compare").disabled) return;
  comparing = !comparing;
  say("");
  refresh();
  (comparing ? $("divider") : stage).focus({ preventScroll: true });
}

// ---- Tools

function setTool(tool) {
  painter.abandon();
  painter.tool = tool;
  for (const button of $("tools").children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  if (comparing) compare();
  refresh();
}

/** The brush's size in the photo's pixels. */
function setSize(size) {
  painter.size = Math.round(clamp(size, 2, largestSize));
  $("size").value = (100 * Math.log(painter.size / 2)) / Math.log(largestSize / 2);
  showSize();
}

/** The slider is logarithmic: small brushes need the finer steps. */
function slideSize() {
  painter.size = Math.round(2 * (largestSize / 2) ** ($("size").value / 100));
  showSize();
}

function showSize() {
  $("size").setAttribute("aria-valuetext", `${painter.size} pixels`);
  $("size-value").textContent = `${painter.size} px`;
  painter.hover();
}

/** Zooms around a place on the stage, or its middle. */
function zoom(factor, place) {
  if (!file) return;
  view.zoom(factor, place?.x, place?.y);
  painter.hover();
}

function fit() {
  if (file) view.fit();
}

function pressKey() {
  if (painter.press()) say("First corner set. Move to the other corner and press Enter.");
}

function moveKey(dx, dy) {
  const { x, y } = painter.move(dx, dy);
  $("status").textContent = `${Math.round(x)}, ${Math.round(y)}`; // heard, and not shown: the ring is seen
}

function cancel() {
  if (running) running.abort();
  else if (painter.stroke) painter.abandon();
  else if (comparing) compare();
}

// ---- Buttons, drops and keys

$("open").onclick = $("choose").onclick = () => $("file").click();
$("file").onchange = () => {
  open($("file").files[0]);
  $("file").value = ""; // so that the same file can be chosen again
};
$("undo").onclick = undo;
$("redo").onclick = redo;
$("compare").onclick = compare;
$("download").onclick = download;
$("complete").onclick = complete;
$("cancel").onclick = cancel;
$("dismiss").onclick = () => ($("alert").hidden = true);
$("help").onclick = () => $("help-dialog").showModal();
$("divider").oninput = () => view.redraw();
$("size").oninput = slideSize;
$("zoom-in").onclick = () => zoom(1.25);
$("zoom-out").onclick = () => zoom(0.8);
$("zoom-fit").onclick = fit;
for (const button of $("tools").children) button.onclick = () => setTool(button.dataset.tool);

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const factor = Math.exp(-clamp(event.deltaY, -100, 100) / 400);
  if (event.ctrlKey || event.metaKey) zoom(factor ** 2, painter.place);
  else setSize(painter.size * factor + Math.sign(factor - 1)); // at least by a pixel
}, { passive: false });

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  open(event.dataTransfer.files[0]);
});
addEventListener("pagehide", (event) => {
  if (photo && !event.persisted) server.dropPhoto(photo);
});

listenToKeys({
  stage,
  singleKeys: () => $("shortcuts").checked,
  isOpen: () => file !== null,
  hold: (held) => {
    painter.spaceHeld = held;
    stage.classList.toggle("grab", held || painter.tool === "hand");
    painter.hover();
  },
  actions: {
    complete, undo, redo, compare, download, cancel, setTool, zoom, fit, moveKey, pressKey,
    open: () => $("open").click(),
    help: () => $("help").click(),
    resize: (factor) => setSize(painter.size * factor + Math.sign(factor - 1)),
    ownPixels: () => zoom(1 / devicePixelRatio / view.scale),
  },
});

$("shortcuts").checked = localStorage.getItem("shortcuts") !== "off";
$("shortcuts").onchange = () => localStorage.setItem("shortcuts", $("shortcuts").checked ? "on" : "off");
setSize(40);
refresh();
