// What a hole holds before the network sees it: a smooth surface through its border, as engine/inference/holes/fill.py has it.

import { any, not, relative, rint } from "./grid.js";
import { harmonic } from "./harmonic.js";
import { pieces } from "./holes.js";

const BORDER = 1; // pixels around a hole that its surface meets

/** Fills the holes of a picture, in place. */
export function fillSmoothly(picture, hole) {
  for (const { where, part, crop } of pieces(hole, BORDER)) {
    const unknown = hole.crop(crop);
    const known = not(unknown);
    if (!any(known)) continue;
    const filled = picture.crop(crop);
    const values = harmonic(filled, known, unknown);
    for (let i = 0; i < filled.data.length; i++) {
      filled.data[i] = Math.min(Math.max(rint(values.data[i]), 0), picture.white);
    }
    picture.put(filled.crop(relative(where, crop)), where, part);
  }
}

/** Puts a colour, RGB in [0, 1], into the holes of a picture, in place. */
export function fillFlat(picture, hole, colour) {
  for (let i = 0; i < hole.data.length; i++) {
    if (hole.data[i]) for (let c = 0; c < 3; c++) picture.data[3 * i + c] = rint(colour[c] * picture.white);
  }
}
