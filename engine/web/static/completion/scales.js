// Half the resolution and back, for holes larger than the network knows. What each function does is
// engine/inference/holes/scales.py.

import { nearest, squaredDistances } from "./distance.js";
import { all, any, boundingBox, emptyMask, floats, maskWhere, not, rint, without } from "./grid.js";
import { widen } from "./holes.js";

const FITS = 1.25; // a hole up to so many times as thick as those of the training is left at its scale
export const BAND = 0.25; // of the largest hole of the training: what is refined along a hole's border

export const octavesFor = (thick, largest) => Math.max(0, Math.ceil(Math.log2(thick / (FITS * largest))));

/** The picture at half its size, each pixel the mean of the known ones of its four; 0 where none is. */
export function halve(picture, hole) {
  const known = not(hole);
  const masked = floats(picture.width, picture.height);
  for (let i = 0; i < masked.data.length; i++) masked.data[i] = known.data[Math.floor(i / 3)] * picture.data[i];
  const [sums, counts] = [halfSum(masked), halfSum(known)];
  const half = picture.like(sums.width, sums.height);
  for (let i = 0; i < half.data.length; i++) half.data[i] = rint(sums.data[i] / Math.max(counts.data[Math.floor(i / 3)], 1));
  return half;
}

export function halveMask(mask) {
  const sums = halfSum(mask);
  return maskWhere(sums, (i) => sums.data[i] > 0);
}

/** The place at half the size: the pixels that lie in it whole. */
export const halveWhere = ({ top, left, bottom, right }) =>
  ({ top: Math.ceil(top / 2), left: Math.ceil(left / 2), bottom: Math.floor(bottom / 2), right: Math.floor(right / 2) });

/** The sum of each 2x2 pixels, in floats; a last odd row or column counts alone. */
export function halfSum({ data, width, height, channels }) {
  const sums = floats((width + 1) >> 1, (height + 1) >> 1, channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = ((y >> 1) * sums.width + (x >> 1)) * channels;
      const from = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) sums.data[to + c] += data[from + c];
    }
  }
  return sums;
}

/** Gives the pixels of the halved picture beside the halved hole, in place, the colours right beside the hole itself. */
export function putRingBeside(half, halfHole, picture, hole) {
  const where = boundingBox(halfHole, 1);
  const near = halfHole.crop(where);
  const beside = without(widen(near, 1), near);
  const from = {
    top: 2 * where.top, left: 2 * where.left,
    bottom: Math.min(2 * where.bottom, hole.height), right: Math.min(2 * where.right, hole.width),
  };
  const [colours, holeThere] = [picture.crop(from), hole.crop(from)];
  const ring = without(widen(holeThere, 1), holeThere);
  if (!any(ring)) return;
  const nearestRing = nearest(ring);
  const changed = half.crop(where);
  for (let i = 0; i < beside.data.length; i++) {
    if (!beside.data[i]) continue;
    const [y, x] = [2 * Math.floor(i / beside.width), 2 * (i % beside.width)];
    const [below, right] = [Math.min(y + 1, ring.height - 1), Math.min(x + 1, ring.width - 1)];
    const four = [[y, x], [y, right], [below, x], [below, right]].map(([row, column]) => nearestRing[row * ring.width + column]);
    for (let c = 0; c < 3; c++) changed.data[3 * i + c] = rint(four.reduce((sum, at) => sum + colours.data[3 * at + c], 0) / 4);
  }
  half.put(changed, where);
}

/** Puts values of half the size, linear between the pixels' middles, into others where a mask is 1. */
export function drawOut(half, mask, values) {
  const { width, height } = mask;
  for (let y = 0; y < height; y++) {
    const [near, far] = between(y, half.height).map((row) => row * half.width);
    for (let x = 0; x < width; x++) {
      if (!mask.data[y * width + x]) continue;
      const [beside, beyond] = between(x, half.width);
      for (let c = 0; c < 3; c++) {
        const at = (row, column) => half.data[3 * (row + column) + c];
        values.data[3 * (y * width + x) + c] =
          0.5625 * at(near, beside) + 0.1875 * (at(near, beyond) + at(far, beside)) + 0.0625 * at(far, beyond);
      }
    }
  }
}

/** Of a pixel, the one of the half size that it lies in, and the next one to it. */
function between(at, length) {
  const near = at >> 1;
  return [near, Math.min(Math.max(at % 2 ? near + 1 : near - 1, 0), length - 1)];
}

/** The picture at twice its size, cut to this width and height: cubic, with OpenCV's weights. */
export function double(half, width, height) {
  const rows = floats(width, half.height);
  for (let y = 0; y < half.height; y++) resample(half, rows, width, half.width, y * half.width, 1, y * width, 1);
  const exact = floats(width, height);
  for (let x = 0; x < width; x++) resample(rows, exact, height, half.height, x, width, x, width);
  const doubled = half.like(width, height);
  for (let i = 0; i < doubled.data.length; i++) doubled.data[i] = Math.min(Math.max(rint(exact.data[i]), 0), half.white);
  return doubled;
}

// At the pixels 3/4 and 1/4 between two, of four in a row; in whole numbers of 1/2048, as OpenCV has them for 8 bits.
const EARLIER = [-72, 536, 1800, -216].map((weight) => weight / 2048);
const LATER = EARLIER.toReversed();

/** One row or column of three channels at twice its length: `length` values from `known` ones. */
function resample(from, to, length, known, start, step, toStart, toStep) {
  for (let at = 0; at < length; at++) {
    const weights = at % 2 ? LATER : EARLIER;
    const first = (at >> 1) - (at % 2 ? 1 : 2);
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let tap = 0; tap < 4; tap++) {
        const place = Math.min(Math.max(first + tap, 0), known - 1);
        sum += weights[tap] * from.data[3 * (start + place * step) + c];
      }
      to.data[3 * (toStart + at * toStep) + c] = sum;
    }
  }
}

/** The part of the hole that is more than `band` pixels from its border. */
export function beyond(hole, band) {
  if (all(hole)) return hole;
  const squares = squaredDistances(hole);
  return maskWhere(hole, (i) => squares[i] > band ** 2);
}
