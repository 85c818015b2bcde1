// The edge of what is painted, moved out or in by pixels of the photo.

import { boxOf } from "./masks.js";
import { canvasOf, drawStrokes } from "./strokes.js";

/**
 * What strokes paint, grown by so many pixels in every direction, or shrunk if `by` is negative, as one stroke in place
 * of them; null if nothing is left. The photo's border is no edge: what reaches it still does.
 */
export function grown(strokes, by, photo) {
  const box = boxOf(strokes, photo, Math.max(by, 0) + 1);
  if (!box) return null;
  const { width, height } = box;
  const shape = canvasOf(box);
  const context = shape.getContext("2d", { willReadFrequently: true });
  context.translate(-box.x, -box.y);
  drawStrokes(context, strokes, "white");
  const pixels = context.getImageData(0, 0, width, height);
  const painted = new Uint8Array(width * height);
  for (let at = 0; at < painted.length; at++) painted[at] = (pixels.data[4 * at + 3] >= 128) === by > 0;
  const widened = dilated(painted, width, height, Math.abs(by)); // to shrink is to widen what is not painted
  const after = by > 0 ? widened : widened.map((one) => 1 - one);
  if (!after.includes(1)) return null;
  pixels.data.fill(255);
  for (let at = 0; at < after.length; at++) pixels.data[4 * at + 3] = 255 * after[at];
  context.putImageData(pixels, 0, 0);
  context.resetTransform(); // as shapes are drawn in another ink in their own pixels
  return { tool: "grown", by, ...box, shape };
}

/** The pixels of a mask, 0 or 1 in rows, from which one that is 1 is at most `radius` pixels away. */
function dilated(mask, width, height, radius) {
  const rows = rowsAway(mask, width, height, radius);
  const reaches = Int16Array.from({ length: radius + 2 }, (_, away) => (away > radius ? -1 : Math.floor(Math.sqrt(radius ** 2 - away ** 2))));
  const found = new Uint8Array(width * height);
  for (let first = 0; first < found.length; first += width) {
    let until = -1; // the last column that is reached from the left
    for (let x = 0; x < width; x++) {
      until = Math.max(until, x + reaches[rows[first + x]]);
      if (until >= x) found[first + x] = 1;
    }
    until = width;
    for (let x = width - 1; x >= 0; x--) {
      until = Math.min(until, x - reaches[rows[first + x]]);
      if (until <= x) found[first + x] = 1;
    }
  }
  return found;
}

/** How many rows a pixel is away from one that is 1 in its column, at most `radius` + 1. */
function rowsAway(mask, width, height, radius) {
  const rows = new Uint16Array(mask.length).fill(radius + 1);
  const pass = (at, previous) => {
    rows[at] = mask[at] ? 0 : Math.min(rows[at], (rows[previous] ?? radius) + 1);
  };
  for (let at = 0; at < mask.length; at++) pass(at, at - width);
  for (let at = mask.length - 1; at >= 0; at--) pass(at, at + width);
  return rows;
}
