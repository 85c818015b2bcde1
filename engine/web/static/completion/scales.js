// Half the resolution and back, for holes larger than the network knows. What each function does is
// engine/inference/holes/scales.py.

import { nearest, squaredDistances } from "./distance.js";
import { all, any, boundingBox, floats, maskWhere, pixelsOf, rint, without } from "./grid.js";
import { widen } from "./holes.js";

const FITS = 1.25; // a hole up to so many times as thick as those of the training is left at its scale
export const BAND = 0.25; // of the largest hole of the training: what is refined along a hole's border

export const octavesFor = (thick, largest) => Math.max(0, Math.ceil(Math.log2(thick / (FITS * largest))));

/** The picture at half its size, each pixel the mean of the known ones of its four; 0 where none is. */
export function halve(picture, hole) {
  const { width, height } = picture;
  const half = picture.like((width + 1) >> 1, (height + 1) >> 1);
  for (let y = 0; y < half.height; y++) {
    for (let x = 0; x < half.width; x++) {
      const known = [];
      for (const row of [2 * y, 2 * y + 1]) {
        for (const column of [2 * x, 2 * x + 1]) {
          const at = row * width + column;
          if (row < height && column < width && !hole.data[at]) known.push(at);
        }
      }
      for (let c = 0; c < 3; c++) half.data[3 * (y * half.width + x) + c] = meanOf(picture, known, c);
    }
  }
  return half;
}

/** The mean of a channel over some pixels, rounded; 0 if there are none. */
function meanOf({ data }, pixels, channel) {
  let sum = 0;
  for (const at of pixels) sum += data[3 * at + channel];
  return rint(sum / Math.max(pixels.length, 1));
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
    for (let c = 0; c < 3; c++) changed.data[3 * i + c] = meanOf(colours, four, c);
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

// Cubic weights of four pixels in a row, at 3/4 and at 1/4 between the middle two.
const EARLIER = [-72, 536, 1800, -216].map((weight) => weight / 2048);
const LATER = EARLIER.toReversed();

/** Puts a picture of half the size, drawn out to twice that, into another one where a mask is 1. */
export function doubleInto(picture, half, mask) {
  for (const i of pixelsOf(mask)) {
    const [rows, down] = taps(Math.floor(i / mask.width), half.height);
    const [columns, across] = taps(i % mask.width, half.width);
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let y = 0; y < 4; y++) {
        const row = 3 * rows[y] * half.width + c;
        let inRow = 0;
        for (let x = 0; x < 4; x++) inRow += across[x] * half.data[row + 3 * columns[x]];
        sum += down[y] * inRow;
      }
      picture.data[3 * i + c] = Math.min(Math.max(rint(sum), 0), picture.white);
    }
  }
}

/** The four rows or columns of half the size that a pixel is made of, and their weights. */
function taps(at, length) {
  const first = (at >> 1) - (at % 2 ? 1 : 2);
  return [[0, 1, 2, 3].map((tap) => Math.min(Math.max(first + tap, 0), length - 1)), at % 2 ? LATER : EARLIER];
}

/** The part of the hole that is more than `band` pixels from its border. */
export function beyond(hole, band) {
  if (all(hole)) return hole;
  const inside = hole.like();
  const where = boundingBox(hole, 1);
  if (!where) return inside;
  const part = hole.crop(where);
  const squares = squaredDistances(part);
  inside.put(maskWhere(part, (i) => squares[i] > band ** 2), where);
  return inside;
}
