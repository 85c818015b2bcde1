// Holes in a plain part of the photo, which need no network: one colour or a smooth shade goes on in them, as
// engine/inference/holes/plain.py has it.

import { join } from "./blend.js";
import { contrastAround, NEAR } from "./contrast.js";
import { boundingBox, floats, partIn, pixelsOf, relative, withContext, without } from "./grid.js";
import { pieces, widen } from "./holes.js";

const RING = 3; // pixels around a hole that must be plain
const [SMOOTH, STEPS] = [2 / 255, 2]; // share of the contrast by which they may differ from a shade, or steps of their numbers
const NEIGHBOURS = 7; // side in pixels of the squares whose means a shade of any form must follow

/** Fills the wanted holes in plain parts of a picture, and makes them known, in place. */
export function fillPlainHoles(picture, hole, wanted, own) {
  const left = { hole: hole.copy(), wanted: wanted.copy() };
  for (const { where, part } of pieces(wanted, 0)) {
    const crop = withContext(where, hole, NEAR);
    const here = partIn(part, where, crop);
    const filled = plainFill(picture.crop(crop), hole.crop(crop), here, isWithin(here, relative(own, crop)));
    if (!filled) continue;
    picture.put(filled, crop, here);
    for (const mask of Object.values(left)) mask.clear(here, crop);
  }
  hole.data.set(left.hole.data);
  wanted.data.set(left.wanted.data);
}

function isWithin(part, own) {
  const { top, left, bottom, right } = boundingBox(part);
  return own.top <= top - RING && own.left <= left - RING && bottom + RING <= own.bottom && right + RING <= own.right;
}

/** The picture with the hole that is `part` filled, or null if what is around that is not plain. */
function plainFill(picture, hole, part, enclosed) {
  const ring = without(widen(part, RING), part);
  const around = pixelsOf(ring);
  const known = around.filter((i) => !hole.data[i]);
  const colourOf = (i) => picture.data.subarray(3 * i, 3 * i + 3);
  if (known.length && known.every((i) => [0, 1, 2].every((c) => colourOf(i)[c] === colourOf(known[0])[c]))) {
    const flat = picture.like();
    for (let i = 0; i < flat.data.length; i++) flat.data[i] = colourOf(known[0])[i % 3];
    return flat;
  }
  if (!enclosed || known.length < around.length) return null;
  const most = Math.max(SMOOTH * contrastAround(picture, hole, part).span, STEPS);
  let surface = quadraticThrough(picture, around);
  const missed = (i) => Math.max(...[0, 1, 2].map((c) => Math.abs(surface.data[3 * i + c] - picture.data[3 * i + c])));
  if (around.some((i) => missed(i) > most)) {
    if (roughness(picture, ring, around) > most) return null;
    surface = floats(picture.width, picture.height);
  }
  for (let i = 0; i < surface.data.length; i++) surface.data[i] /= picture.white;
  return join(picture, surface, hole, part);
}

/** The surface of second degree in x and y that fits the colours of some pixels best. */
function quadraticThrough({ data, width, height }, pixels) {
  const terms = (i) => {
    const [y, x] = [(2 * Math.floor(i / width)) / (height - 1) - 1, (2 * (i % width)) / (width - 1) - 1];
    return [1, y, x, y * y, y * x, x * x];
  };
  const equations = Array.from({ length: 6 }, () => new Array(9).fill(0)); // six weights, then the three channels
  for (const i of pixels) {
    const at = terms(i);
    equations.forEach((row, one) => {
      for (let other = 0; other < 6; other++) row[other] += at[one] * at[other];
      for (let c = 0; c < 3; c++) row[6 + c] += at[one] * data[3 * i + c];
    });
  }
  const weights = solved(equations);
  const surface = floats(width, height);
  for (let i = 0; i < width * height; i++) {
    const at = terms(i);
    for (let c = 0; c < 3; c++) surface.data[3 * i + c] = at.reduce((sum, term, k) => sum + term * weights[k][c], 0);
  }
  return surface;
}

/** The weights of equations, [[six factors, three right sides], ...], by Gauss and Jordan, the largest factor first. */
function solved(equations) {
  for (let at = 0; at < 6; at++) {
    const pivot = equations.reduce((best, row, i) => (i >= at && Math.abs(row[at]) > Math.abs(equations[best][at]) ? i : best), at);
    [equations[at], equations[pivot]] = [equations[pivot], equations[at]];
    if (!equations[at][at]) continue;
    equations.forEach((row, i) => {
      if (i === at) return;
      const factor = row[at] / equations[at][at];
      for (let k = at; k < 9; k++) row[k] -= factor * equations[at][k];
    });
  }
  return equations.map((row, k) => row.slice(6).map((value) => (row[k] ? value / row[k] : 0)));
}

/** By how much a pixel of the ring differs at most from the mean of those of the ring near it. */
function roughness({ data, width, height }, ring, around) {
  const mirrored = (at, length) => (at < 0 ? -at : at >= length ? 2 * (length - 1) - at : at);
  const reach = (NEIGHBOURS - 1) / 2;
  let most = 0;
  for (const i of around) {
    const [y, x] = [Math.floor(i / width), i % width];
    const sums = [0, 0, 0];
    let total = 0;
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        const near = mirrored(y + dy, height) * width + mirrored(x + dx, width);
        if (!ring.data[near]) continue;
        total += 1;
        for (let c = 0; c < 3; c++) sums[c] += data[3 * near + c];
      }
    }
    for (let c = 0; c < 3; c++) most = Math.max(most, Math.abs(sums[c] / total - data[3 * i + c]));
  }
  return most;
}
