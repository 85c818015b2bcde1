// What is painted, selected, taken away and undone on the photo that shows.

import { BrushSize } from "./brush_size.js";
import { changed, desk, run, stage, view } from "./desk.js";
import { grown } from "./edge.js";
import { nameOf } from "./history.js";
import { say, sayUnseen } from "./messages.js";
import { Painter } from "./painter.js";
import { clamp } from "./strokes.js";

const $ = (id) => document.getElementById(id);

export const painter = new Painter(view, $("cursor"), take, () => !desk.running && !desk.comparing && !desk.looking);
export const size = new BrushSize(painter, $("size"), $("size-value"));

export function setTool(tool) {
  if (document.querySelector(`[data-tool="${tool}"]`).hidden) return;
  painter.abandon();
  painter.tool = tool;
  if (desk.comparing) stage.focus({ preventScroll: true });
  desk.comparing = false;
  changed();
}

/** Makes rectangles and selections take away from what is painted, or add to it again. */
export function toggleSubtract() {
  if ($("subtract").disabled) return;
  painter.subtract = !painter.subtract;
  say(painter.subtract ? "Rectangles and selections take away." : "Rectangles and selections add.");
  changed();
}

/** Takes what was drawn: a stroke, or a box or an outline in which to find a thing. */
function take(drawn) {
  if (drawn.tool === "select" || drawn.tool === "lasso") select(drawn);
  else push({ stroke: drawn }, "");
}

/** Adds a step to the photo's history, and says something. */
function push(step, text) {
  desk.history.push(step);
  say(text);
  changed();
}

/** Paints over the thing in a box or an outline, which the server finds. */
async function select(drawn) {
  await run(async (signal) => {
    desk.searched = drawn;
    say("Selecting…");
    try {
      await desk.photo.select(drawn, signal);
    } finally {
      desk.searched = null;
    }
    say(drawn.subtract ? "Subtracted." : "Selected. Paint what is missing, erase what is too much.");
  });
}

/** Paints over the shadow of what is painted, too. */
export async function addShadow() {
  if ($("shadow").disabled) return;
  await run(async (signal) => {
    say("Looking for its shadow…");
    const { found, things } = await desk.photo.addShadow(signal);
    if (found < things) say(`Painted over the shadows of ${found} of ${things} things; paint the others.`);
    else say("Painted over its shadow, too; undo it (Ctrl+Z) if it is none.");
  });
}

/** Grows what is painted by the pixels that are set, or shrinks it, if the direction is -1. */
export function grow(direction) {
  if ($("grow").disabled) return;
  const by = Math.round(clamp(Number($("grow-by").value) || 1, 1, 200));
  $("grow-by").value = by;
  const pixels = by === 1 ? "1 pixel" : `${by} pixels`;
  const stroke = grown(desk.history.hole, direction * by, desk.photo);
  if (stroke) push({ stroke }, `${direction > 0 ? "Grown" : "Shrunk"} by ${pixels}.`);
  else say(`Nothing would be left by ${pixels}; it stays as it is.`);
}

export function clearAreas() {
  if (!$("clear-areas").disabled) push({ cleared: true }, "Texture may be taken from everywhere again.");
}

export function undo() {
  if ($("undo").disabled) return;
  say(`${nameOf(desk.history.undo())} undone.`);
  changed();
}

export function redo() {
  if ($("redo").disabled) return;
  say(`${nameOf(desk.history.redo())} redone.`);
  changed();
}

/** Paints where the keyboard's brush is. */
export function pressKey() {
  if (!painter.press()) return;
  if (painter.drawsBoxes) say("First corner set. Move to the other corner and press Enter.");
  else say("Outline begun. Move around the thing and press Enter.");
}

export function moveKey(dx, dy) {
  const { x, y } = painter.move(dx, dy);
  sayUnseen(`${Math.round(x)}, ${Math.round(y)}`); // the ring is seen
}
