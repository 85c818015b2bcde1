// How the photo is looked at: before and after, zoom, and what there is to draw.

import { changed, desk, stage, view } from "./desk.js";
import { say, sayUnseen } from "./messages.js";
import { painter } from "./painting.js";

const $ = (id) => document.getElementById(id);

/** What the view draws: see `View.draw`. */
export function scene() {
  const { history, comparing, looking, searched } = desk;
  const drawn = painter.stroke ?? searched;
  const strokes = drawn ? [...history.strokes, drawn] : history.strokes;
  const split = looking ? Infinity : comparing ? Number($("divider").value) : null;
  return { completions: history.completions, strokes, split };
}

export function compare() {
  if ($("compare").disabled) return;
  desk.comparing = !desk.comparing;
  say("");
  changed();
  (desk.comparing ? $("divider") : stage).focus({ preventScroll: true });
}

/** Shows the photo as it was, for as long as a key is held. */
export function look(held) {
  if (held === desk.looking || (held && $("compare").disabled)) return;
  desk.looking = held;
  sayUnseen(held ? "Before." : "After.");
  changed();
}

/** Zooms around a place on the stage, or its middle. */
export function zoom(factor, place) {
  if (!desk.photo) return;
  view.zoom(factor, place?.x, place?.y);
  painter.hover();
}

/** A pixel of the photo on a pixel of the screen. */
export function ownPixels() {
  zoom(1 / devicePixelRatio / view.scale);
}

export function fit() {
  if (desk.photo) view.fit();
}
