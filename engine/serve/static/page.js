// The page: a photo, what was done to it, and the buttons and keys that do it.

import { History, nameOf } from "./history.js";
import { BrushSize } from "./brush_size.js";
import { listenToDrops } from "./drops.js";
import { listenToKeys } from "./keys.js";
import { Painter } from "./painter.js";
import { listen } from "./pointers.js";
import * as server from "./server.js";
import { addSomething, clamp, masksOf, shapeOf } from "./strokes.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const stage = $("stage");

let file = null; // as the person chose it
let photo = null; // the server's name for it
let history = new History();
let running = null; // what aborts the request that is under way
let comparing = false;
let searched = null; // the box in which a thing is being found

const view = new View(stage, $("photo"), $("mask"));
const painter = new Painter(view, $("cursor"), take, () => !running && !comparing);
const size = new BrushSize(painter, $("size"), $("size-value"));
listen(stage, view, painter);

function scene() {
  const drawn = painter.stroke ?? searched;
  const strokes = drawn ? [...history.strokes, drawn] : history.strokes;
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
  const painted = addSomething(history.hole);
  $("complete").disabled = !idle || !painted;
  $("another").disabled = !idle || !completed || painted;
  $("clear-avoided").hidden = !addSomething(history.avoided);
  $("clear-avoided").disabled = !idle;
  $("open").disabled = $("choose").disabled = running !== null;
  $("cancel").hidden = running === null;
  for (const button of document.querySelectorAll("#tools button, #zoom button")) button.disabled = file === null;
  $("size").disabled = file === null;
  stage.classList.toggle("busy", running !== null);
  stage.classList.toggle("grab", painter.tool === "hand");
  stage.classList.toggle("cross", painter.drawsBoxes);
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
    painter.key = null;
    size.largest = Math.max(longest / 3, 64);
    size.set(longest / 20);
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
  for (const completion of history.everyCompletion) {
    const { hole, masks, variant } = completion;
    completion.number = (await server.complete(photo, below(hole), masks, variant, signal, () => {})).completion;
  }
}

const latest = () => history.completions.at(-1)?.number ?? 0;
const below = (hole) => hole.below?.number ?? 0; // which it has once the photo has been sent again, too

function sayStep({ scale, done, windows }) {
  const where = scale === 1 ? "" : ` at 1/${scale} of the resolution`;
  const share = done ? `, ${done} of ${windows} windows` : "";
  say(`Completing${where}${share}…`);
}

function sayWidened({ widened }) {
  if (!widened.length) return "";
  const [least, most] = [Math.min(...widened), Math.max(...widened)];
  return `, widened by ${least === most ? "" : `${least} to `}${most} pixels`;
}

/** Completes a hole, {strokes, below: the completion under it or nothing, tried: how many times it was completed}. */
async function fill(hole) {
  await run(async (signal) => {
    const masks = await masksOf(hole.strokes, history.avoided, view.bitmap);
    if (!masks) throw new server.Refused(0, "Nothing is painted on the photo; paint over what should go.");
    say("Completing…");
    const began = performance.now();
    const variant = hole.tried;
    const [done, region] = await withPhoto(async () => {
      const done = await server.complete(photo, below(hole), masks, variant, signal, sayStep);
      return [done, await server.picture(photo, done.completion)];
    }, signal);
    const [x, y] = done.box;
    const picture = await createImageBitmap(region);
    const { completion: number, replaces } = done;
    history.push({ completion: { number, x, y, picture, replaces, hole, masks, variant } });
    hole.tried += 1;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const which = variant ? `, variant ${variant + 1}` : "";
    say([`Completed in ${seconds} s${which}${sayWidened(done)}.`, ...done.warnings.map((warning) => `Note: ${warning}.`)].join(" "));
  });
}

async function complete() {
  if ($("complete").disabled) return;
  await fill({ strokes: history.hole, below: history.completions.at(-1), tried: 0 });
}

/** Shows the hole that was completed last with another texture. */
async function another() {
  if ($("another").disabled) return;
  await fill(history.completions.at(-1).hole);
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

/** Takes what was drawn: a stroke, or a box in which to find a thing. */
function take(drawn) {
  if (drawn.tool === "select") select(drawn);
  else addStroke(drawn);
}

function addStroke(stroke) {
  history.push({ stroke });
  say("");
  refresh();
}

/** Paints over the thing in a box, which the server finds. */
async function select(box) {
  await run(async (signal) => {
    searched = box;
    say("Selecting…");
    try {
      const mask = await withPhoto(() => server.select(photo, latest(), box, signal), signal);
      history.push({ stroke: { ...box, shape: await shapeOf(mask) } });
    } finally {
      searched = null;
    }
    say("Selected. Paint what is missing, erase what is too much.");
  });
}

function clearAvoided() {
  if ($("clear-avoided").hidden || running) return;
  history.push({ cleared: true });
  say("Texture may be taken from everywhere again.");
  refresh();
}

function undo() {
  if ($("undo").disabled) return;
  say(`${nameOf(history.undo())} undone.`);
  refresh();
}

function redo() {
  if ($("redo").disabled) return;
  say(`${nameOf(history.redo())} redone.`);
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
$("another").onclick = another;
$("clear-avoided").onclick = clearAvoided;
$("cancel").onclick = cancel;
$("dismiss").onclick = () => ($("alert").hidden = true);
$("help").onclick = () => $("help-dialog").showModal();
$("divider").oninput = () => view.redraw();
$("zoom-in").onclick = () => zoom(1.25);
$("zoom-out").onclick = () => zoom(0.8);
$("zoom-fit").onclick = fit;
for (const button of $("tools").children) button.onclick = () => setTool(button.dataset.tool);

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const factor = Math.exp(-clamp(event.deltaY, -100, 100) / 400);
  if (event.ctrlKey || event.metaKey) zoom(factor ** 2, painter.place);
  else size.multiply(factor);
}, { passive: false });

listenToDrops(open);
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
    complete, another, clearAvoided, undo, redo, compare, download, cancel, setTool, zoom, fit, moveKey, pressKey,
    open: () => $("open").click(),
    help: () => $("help").click(),
    resize: (factor) => size.multiply(factor),
    ownPixels: () => zoom(1 / devicePixelRatio / view.scale),
  },
});

$("shortcuts").checked = localStorage.getItem("shortcuts") !== "off";
$("shortcuts").onchange = () => localStorage.setItem("shortcuts", $("shortcuts").checked ? "on" : "off");
size.set(40);
refresh();
server.letIn().catch(complain);
