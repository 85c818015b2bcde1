// What a hole holds before the network sees it: a smooth surface through its border, by a cascade from coarse to fine, as
// kernels/smooth_fill.py has it.

import { any, floats, maskWhere, not, relative, rint } from "./grid.js";
import { pieces } from "./holes.js";
import { drawOut, halfSum } from "./scales.js";

const CONTEXT = 16; // pixels around a hole that its fill looks at
const RELAXATIONS = 4; // sweeps on each level

/** Fills the holes of a picture, in place. */
export function fillSmoothly(picture, hole) {
  for (const { where, part, crop } of pieces(hole, CONTEXT)) {
    const known = not(hole.crop(crop));
    if (!any(known)) continue;
    const values = interpolated(knownValues(picture.crop(crop), known), known);
    const filled = picture.like(values.width, values.height);
    for (let i = 0; i < filled.data.length; i++) filled.data[i] = rint(values.data[i]);
    picture.put(filled.crop(relative(where, crop)), where, part);
  }
}

/** Puts a colour, RGB in [0, 1], into the holes of a picture, in place. */
export function fillFlat(picture, hole, colour) {
  for (let i = 0; i < hole.data.length; i++) {
    if (hole.data[i]) for (let c = 0; c < 3; c++) picture.data[3 * i + c] = rint(colour[c] * picture.white);
  }
}

function knownValues(picture, known) {
  const values = floats(picture.width, picture.height);
  for (let i = 0; i < values.data.length; i++) values.data[i] = known.data[Math.floor(i / 3)] * picture.data[i];
  return values;
}

/** Values, which are 0 where they are not known, interpolated there; they are changed. */
function interpolated(values, known) {
  const { width, height } = values;
  if ((width === 1 && height === 1) || !known.data.includes(0)) return values;
  const [coarse, weight] = [halfSum(values), halfSum(known)];
  for (let i = 0; i < coarse.data.length; i++) coarse.data[i] /= Math.max(weight.data[Math.floor(i / 3)], 1);
  const found = interpolated(coarse, maskWhere(weight, (i) => weight.data[i] > 0));
  drawOut(found, not(known), values);
  return relaxed(values, known);
}

/** Each unknown pixel replaced by the mean of its four neighbours; one at the border counts as its own neighbour beyond. */
function relaxed(values, known) {
  const { width, height } = values;
  let [from, to] = [values, values.copy()];
  for (let sweep = 0; sweep < RELAXATIONS; sweep++) {
    for (let y = 0; y < height; y++) {
      const [above, below] = [Math.max(y - 1, 0) * width, Math.min(y + 1, height - 1) * width];
      for (let x = 0; x < width; x++) {
        if (known.data[y * width + x]) continue;
        const [left, right] = [y * width + Math.max(x - 1, 0), y * width + Math.min(x + 1, width - 1)];
        for (let c = 0; c < 3; c++) {
          const sum = from.data[3 * (above + x) + c] + from.data[3 * (below + x) + c] + from.data[3 * left + c] + from.data[3 * right + c];
          to.data[3 * (y * width + x) + c] = sum / 4;
        }
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
