// The smoothest surface through given pixels: one with zero Laplacian, by full multigrid, as engine/inference/holes/harmonic.py
// has it.

import { count, either, floats, pixelsOf, without } from "./grid.js";
import { drawOut, halfSum, halveMask } from "./scales.js";

const FEW = 100; // pixels whose equations are solved directly
const [SWEEPS, RADIUS, CYCLES] = [4, 0.9, 2]; // relaxations in a row, the radius for their weights, V-cycles on each scale

/** The values where they are known, where wanted the function with zero Laplacian that meets them, and 0 elsewhere. */
export function harmonic(values, known, wanted) {
  const given = floats(values.width, values.height);
  for (let i = 0; i < given.data.length; i++) given.data[i] = known.data[Math.floor(i / 3)] ? values.data[i] : 0;
  return solve(given, levelOf(known, wanted));
}

function solve(given, level) {
  const source = neighbourSum(given);
  const found = level.half ? fromHalf(level, solve(weighted(given, level), level.half)) : directly(level, source);
  if (level.half) for (let cycle = 0; cycle < CYCLES; cycle++) add(found, correction(level, residual(level, found, source)));
  return add(found, given);
}

/** The given values at half the size: of each four pixels the mean of those that are known. */
function weighted(given, { known }) {
  const [sums, counts] = [halfSum(given), halfSum(known)];
  for (let i = 0; i < sums.data.length; i++) sums.data[i] /= Math.max(counts.data[Math.floor(i / 3)], 1);
  return sums;
}

/** One V-cycle for what to add to values with this residual. */
function correction(level, missing) {
  if (!level.half) return directly(level, missing);
  const error = relax(level, floats(missing.width, missing.height), missing);
  const coarse = correction(level.half, halfSum(residual(level, error, missing)));
  return relax(level, add(error, fromHalf(level, coarse)), missing);
}

/** The equations of one scale: neighbours * value - sum of wanted neighbours = source, for each wanted pixel. */
function levelOf(known, wanted) {
  const neighbours = neighbourSum(either(known, wanted));
  for (let i = 0; i < neighbours.data.length; i++) neighbours.data[i] = wanted.data[i] * Math.max(neighbours.data[i], 1);
  const level = { known, wanted, neighbours, half: null, inverse: null };
  if (count(wanted) > FEW) {
    const halfKnown = halveMask(known);
    level.half = levelOf(halfKnown, without(halveMask(wanted), halfKnown));
  } else {
    level.pixels = [...pixelsOf(wanted)];
    level.inverse = inverseOf(level);
  }
  return level;
}

function residual(level, found, source) {
  const missing = floats(found.width, found.height);
  forEachWanted(level, found, (i, sum, neighbours) => {
    missing.data[i] = sum + source.data[i] - neighbours * found.data[i];
  });
  return missing;
}

/** Jacobi sweeps with Chebyshev's weights. */
function relax(level, found, source) {
  let [before, omega] = [found, 1];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const next = floats(found.width, found.height);
    const [last, weight] = [before.data, omega];
    forEachWanted(level, found, (i, sum, neighbours) => {
      next.data[i] = (weight * (sum + source.data[i])) / neighbours + (1 - weight) * last[i];
    });
    [before, found] = [found, next];
    omega = sweep === 0 ? 1 / (1 - RADIUS ** 2 / 2) : 1 / (1 - (RADIUS ** 2 * omega) / 4);
  }
  return found;
}

/** Calls `visit(i, sum of the four neighbours' values, their number)` for each channel of each wanted pixel. */
function forEachWanted({ neighbours }, { data, width, height }, visit) {
  const row = 3 * width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const divisor = neighbours.data[y * width + x];
      if (!divisor) continue;
      const first = 3 * (y * width + x);
      for (let i = first; i < first + 3; i++) {
        let sum = 0;
        if (y > 0) sum += data[i - row];
        if (y < height - 1) sum += data[i + row];
        if (x > 0) sum += data[i - 3];
        if (x < width - 1) sum += data[i + 3];
        visit(i, sum, divisor);
      }
    }
  }
}

/** The solution of the few equations that are left. */
function directly({ pixels, inverse }, source) {
  const found = floats(source.width, source.height);
  pixels.forEach((to, row) => {
    for (let c = 0; c < 3; c++) {
      found.data[3 * to + c] = pixels.reduce((sum, from, column) => sum + inverse[row][column] * source.data[3 * from + c], 0);
    }
  });
  return found;
}

/** Of the matrix of the wanted pixels' equations, by Gauss and Jordan; it is symmetric and positive, so that no row is exchanged. */
function inverseOf({ pixels, neighbours, wanted: { width } }) {
  const rows = pixels.map((one) => {
    const left = pixels.map((other) => (areNeighbours(one, other, width) ? -1 : one === other ? neighbours.data[one] + 1e-5 : 0));
    return [...left, ...pixels.map((other) => (one === other ? 1 : 0))];
  });
  rows.forEach((row, at) => {
    const pivot = row[at];
    for (let i = 0; i < row.length; i++) row[i] /= pivot;
    for (const other of rows) {
      const factor = other[at];
      if (other !== row && factor) for (let i = at; i < row.length; i++) other[i] -= factor * row[i];
    }
  });
  return rows.map((row) => row.slice(pixels.length));
}

function areNeighbours(one, other, width) {
  return Math.abs((one % width) - (other % width)) + Math.abs(Math.floor(one / width) - Math.floor(other / width)) === 1;
}

/** Values of the half size at this one, where wanted. */
function fromHalf({ wanted }, half) {
  const values = floats(wanted.width, wanted.height);
  drawOut(half, wanted, values);
  return values;
}

/** The sum of the four neighbours, those outside counted as 0, in floats. */
function neighbourSum({ data, width, height, channels }) {
  const sum = floats(width, height, channels);
  const row = width * channels;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < row; x++) {
      const i = y * row + x;
      let total = 0;
      if (y > 0) total += data[i - row];
      if (y < height - 1) total += data[i + row];
      if (x >= channels) total += data[i - channels];
      if (x < row - channels) total += data[i + channels];
      sum.data[i] = total;
    }
  }
  return sum;
}

function add(values, others) {
  for (let i = 0; i < values.data.length; i++) values.data[i] += others.data[i];
  return values;
}
