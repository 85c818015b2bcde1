// The page: a photo, what was done to it, and what can be done to it now.

import { BrushSize } from "./brush_size.js";
import { listenToControls } from "./controls.js";
import { grown } from "./edge.js";
import { History, nameOf } from "./history.js";
import { complain, dismiss, say, sayCompleted, sayStep, sayUnseen } from "./messages.js";
import { Painter } from "./painter.js";
import { Photo } from "./photo.js";
import { listen } from "./pointers.js";
import * as server from "./server.js";
import { addSomething, clamp } from "./strokes.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const stage = $("stage");

let photo = null; // a Photo, once one is open
let history = new History(); // of the photo
let running = null; // what aborts the request that is under way
let comparing = false; // with the slider
let looking = false; // at the photo as it was, while a key is held
let searched = null; // the box or outline in which a thing is being found

const view = new View(stage, $("photo"), $("mask"));
const painter = new Painter(view, $("cursor"), take, () => !running && !comparing && !looking);
const size = new BrushSize(painter, $("size"), $("size-value"));

function scene() {
  const drawn = painter.stroke ?? searched;
  const strokes = drawn ? [...history.strokes, drawn] : history.strokes;
  const split = looking ? Infinity : comparing ? Number($("divider").value) : null;
  return { completions: history.completions, strokes, split };
}

/** Shows what is possible now. */
function refresh() {
  const idle = photo !== null && !running;
  const completed = history.completions.length > 0;
  comparing &&= completed;
  $("undo").disabled = !idle || !history.canUndo;
  $("redo").disabled = !idle || !history.canRedo;
  $("compare").disabled = $("download").disabled = !idle || !completed;
  $("compare").setAttribute("aria-pressed", comparing);
  $("comparison").hidden = !comparing && !looking;
  $("comparison").classList.toggle("looking", looking);
  const painted = addSomething(history.hole);
  $("complete").disabled = !idle || !painted;
  $("another").disabled = !idle || !completed || painted;
  $("clear-areas").disabled = !idle || !Object.values(history.areas).some(addSomething);
  $("grow").disabled = $("shrink").disabled = $("grow-by").disabled = !idle || !painted;
  $("subtract").disabled = !idle || !painter.drawsAround;
  $("subtract").setAttribute("aria-pressed", painter.subtract);
  $("open").disabled = $("choose").disabled = running !== null;
  $("cancel").hidden = running === null;
  for (const button of document.querySelectorAll("#tools button, #zoom button")) button.disabled = photo === null;
  $("size").disabled = photo === null;
  stage.classList.toggle("busy", running !== null);
  stage.classList.toggle("grab", painter.tool === "hand");
  stage.classList.toggle("cross", painter.drawsAround);
  painter.hover();
  view.redraw();
}

/** Runs `task(signal)`, one at a time, until it ends or is cancelled; what goes wrong is shown. */
async function run(task) {
  running = new AbortController();
  dismiss();
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

async function open(file) {
  if (!file || running) return;
  await run(async () => {
    say(`Opening ${file.name}…`);
    const opened = new Photo(file);
    const bitmap = await opened.open();
    photo?.drop();
    [photo, history, comparing] = [opened, opened.history, false];
    await show(bitmap);
    say(`${photo.width} × ${photo.height} pixels. Paint over what should go.`);
  });
}

async function show(bitmap) {
  const { file, width, height } = photo;
  $("welcome").hidden = true;
  stage.hidden = false;
  $("photo-name").textContent = `${file.name} · ${width} × ${height}`;
  await view.show(bitmap, scene);
  const longest = Math.max(width, height);
  painter.key = null;
  size.largest = Math.max(longest / 3, 64);
  size.set(longest / 20);
  stage.focus({ preventScroll: true });
}

async function fill(hole) {
  await run(async (signal) => {
    say("Completing…");
    const began = performance.now();
    const done = await photo.complete(hole, signal, sayStep);
    sayCompleted(done, performance.now() - began);
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
  if ($("download").disabled) return;
  await run(async (signal) => {
    say("Writing the file…");
    const { name, blob } = await photo.completedFile(signal);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`Saved as ${name}.`);
  });
}

// ---- What was done

/** Takes what was drawn: a stroke, or a box or an outline in which to find a thing. */
function take(drawn) {
  if (drawn.tool === "select" || drawn.tool === "lasso") select(drawn);
  else addStroke(drawn);
}

function addStroke(stroke) {
  history.push({ stroke });
  say("");
  refresh();
}

/** Paints over the thing in a box or an outline, which the server finds. */
async function select(drawn) {
  await run(async (signal) => {
    searched = drawn;
    say("Selecting…");
    try {
      await photo.select(drawn, signal);
    } finally {
      searched = null;
    }
    say(drawn.subtract ? "Subtracted." : "Selected. Paint what is missing, erase what is too much.");
  });
}

/** Grows what is painted by the pixels that are set, or shrinks it, if the direction is -1. */
function grow(direction) {
  if ($("grow").disabled) return;
  const by = Math.round(clamp(Number($("grow-by").value) || 1, 1, 200));
  $("grow-by").value = by;
  const stroke = grown(history.hole, direction * by, photo);
  const pixels = by === 1 ? "1 pixel" : `${by} pixels`;
  if (stroke) history.push({ stroke });
  say(stroke ? `${direction > 0 ? "Grown" : "Shrunk"} by ${pixels}.` : `Nothing would be left by ${pixels}; it stays as it is.`);
  refresh();
}

function clearAreas() {
  if ($("clear-areas").disabled) return;
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

/** Shows the photo as it was, for as long as a key is held. */
function look(held) {
  if (held === looking || (held && $("compare").disabled)) return;
  looking = held;
  sayUnseen(looking ? "Before." : "After.");
  refresh();
}

// ---- Tools

function setTool(tool) {
  painter.abandon();
  painter.tool = tool;
  for (const button of $("tools").children) button.setAttribute("aria-pressed", button.dataset.tool === tool);
  if (comparing) compare();
  refresh();
}

/** Makes rectangles and selections take away from what is painted, or add to it again. */
function toggleSubtract() {
  if ($("subtract").disabled) return;
  painter.subtract = !painter.subtract;
  say(painter.subtract ? "Rectangles and selections take away." : "Rectangles and selections add.");
  refresh();
}

/** Zooms around a place on the stage, or its middle. */
function zoom(factor, place) {
  if (!photo) return;
  view.zoom(factor, place?.x, place?.y);
  painter.hover();
}

function ownPixels() {
  zoom(1 / devicePixelRatio / view.scale);
}

function fit() {
  if (photo) view.fit();
}

function pressKey() {
  if (!painter.press()) return;
  if (painter.drawsBoxes) say("First corner set. Move to the other corner and press Enter.");
  else say("Outline begun. Move around the thing and press Enter.");
}

function moveKey(dx, dy) {
  const { x, y } = painter.move(dx, dy);
  sayUnseen(`${Math.round(x)}, ${Math.round(y)}`); // the ring is seen
}

function cancel() {
  if (running) running.abort();
  else if (painter.stroke) painter.abandon();
  else if (comparing) compare();
}

listen(stage, view, painter);
listenToControls({
  stage,
  painter,
  size,
  isOpen: () => photo !== null,
  actions: {
    open, complete, another, download, clearAreas, grow, toggleSubtract, undo, redo, compare, look, redraw: () => view.redraw(),
    setTool, zoom, ownPixels, fit, pressKey, moveKey, cancel,
  },
});
addEventListener("pagehide", (event) => {
  if (!event.persisted) photo?.drop();
});
size.set(40);
refresh();
server.letIn().catch(complain);
