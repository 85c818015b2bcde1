// Averages of numbers, and of those of pixels around each.

import { floats, Grid } from "../completion/grid.js";

const [SMOOTHING, RADIUS] = [0.15, 4]; // difference in colour and pixels up to which `smoothed` averages

/** A bilateral filter (Tomasi and Manduchi 1998), of what is not masked. */
export function smoothed(logs, mask) {
  const { width, height } = logs;
  const out = logs.copy();
  for (let i = 0; i < width * height; i++) {
    if (mask.data[i]) continue;
    const [y, x] = [Math.floor(i / width), i % width];
    const sums = [0, 0, 0, 0];
    for (let dy = -RADIUS; dy <= RADIUS; dy++) {
      for (let dx = -RADIUS; dx <= RADIUS; dx++) {
        const square = dx * dx + dy * dy;
        if (square > RADIUS * RADIUS) continue;
        const j = reflected(y + dy, height) * width + reflected(x + dx, width);
        if (mask.data[j]) continue;
        let apart = 0;
        for (let c = 0; c < 3; c++) apart += Math.abs(logs.data[3 * j + c] - logs.data[3 * i + c]);
        const weight = Math.exp(-square / (2 * RADIUS ** 2) - apart ** 2 / (2 * SMOOTHING ** 2));
        for (let c = 0; c < 3; c++) sums[c] += weight * logs.data[3 * j + c];
        sums[3] += weight;
      }
    }
    for (let c = 0; c < 3; c++) out.data[3 * i + c] = sums[c] / sums[3];
  }
  return out;
}

/** A row or column within a picture, mirrored at its border. */
const reflected = (at, length) => Math.min(Math.max(at < 0 ? -at : at >= length ? 2 * length - 2 - at : at, 0), length - 1);

/** The mean of the channels. */
export const channelOf = ({ data, width, height }) =>
  new Grid(Float32Array.from({ length: width * height }, (_, i) => (data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 3), width, height);

/** The means of what is counted in the square around each pixel; 0 where nothing is. */
export function meansOf(values, counted, half) {
  const { channels } = values;
  const weighed = values.copy();
  for (let i = 0; i < weighed.data.length; i++) weighed.data[i] *= counted.data[Math.floor(i / channels)];
  const sums = sumsOf(weighed, half);
  const counts = sumsOf(new Grid(Float32Array.from(counted.data), counted.width, counted.height), half);
  for (let i = 0; i < sums.data.length; i++) sums.data[i] /= Math.max(counts.data[Math.floor(i / channels)], 1);
  return sums;
}

/** The sums of the square of 2 `half` + 1 around each pixel, rows first. */
export function sumsOf({ data, width, height, channels }, half) {
  const rows = new Float64Array(data.length);
  const found = floats(width, height, channels);
  for (let line = 0; line < height * channels; line++) {
    const from = Math.floor(line / channels) * width * channels + (line % channels);
    slide(data, rows, from, channels, width, half);
  }
  for (let column = 0; column < width * channels; column++) slide(rows, found.data, column, width * channels, height, half);
  return found;
}

/** Writes, for each of `length` numbers in steps from `from` on, the sum of those at most `half` away. */
function slide(numbers, sums, from, step, length, half) {
  let sum = 0;
  for (let at = 0; at < Math.min(half, length); at++) sum += numbers[from + at * step];
  for (let at = 0; at < length; at++) {
    if (at + half < length) sum += numbers[from + (at + half) * step];
    if (at - half - 1 >= 0) sum -= numbers[from + (at - half - 1) * step];
    sums[from + at * step] = sum;
  }
}

/** A percentile of sorted numbers, linear between two of them. */
export function percentile(sorted, percent) {
  const at = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

export const median = (numbers) => percentile(Float64Array.from(numbers).sort(), 50);

export function deviation(numbers) {
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, one) => sum + (one - mean) ** 2, 0) / numbers.length);
}
