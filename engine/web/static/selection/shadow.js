// The shadow of what is painted: what touches it and is darker than its surroundings by one factor in all colours. What
// each function does, and why, is in engine/inference/masks/shadows.py.

import {
  any, boundingBox, count, either, emptyMask, floats, Grid, maskWhere, not, pixelsOf, relative, rint, withContext, without,
} from "../completion/grid.js";
import { components, widen } from "../completion/holes.js";
import { hear } from "../completion/progress.js";
import { channelOf, deviation, meansOf, median, percentile, smoothed, sumsOf } from "./averages.js";
import { reduced, shareAt } from "./scaling.js";

const SIDE = 200;
const REACH = 1.5;
const [LEAST_SIDE, LEAST_THING] = [8, 64];
const SPECK = 0.05;
const MOST_THINGS = 64;
const [SMALLEST, LARGEST] = [0.05, 3];
const [CONTACT, GAP] = [0.03, 3];
const [LEVELS, FROM, UNTIL] = [12, 3, 80];
const ROUND = [0.5, 1, 2];
const ACROSS = 3;
const [LEAST_OUTSIDE, FAINTEST] = [2, 0.08];
const DARK = 4;
const EDGE = 1;
const WEIGHTS = { same: 3.9, step: -3.2, solid: 3.4, hue: -2, uneven: -0.75, size: 0.75 };
const LIMIT = 4.4;

/**
 * The shadows of the things in a mask of a picture, without the mask: {shadow, found, things}. `hidden`, a mask or null, has
 * the pixels whose colours mean nothing; `isCancelled()` ends the search.
 */
export async function shadowsOf(picture, mask, hidden, isCancelled) {
  const shadow = mask.like();
  const unknown = hidden ? either(mask, hidden) : mask;
  const parts = components(mask).map((one) => ({ ...one, area: count(one.part) })).sort((one, other) => other.area - one.area);
  const things = parts.filter(({ area }) => area >= SPECK * parts[0].area);
  let found = 0;
  for (const { where, part } of things.slice(0, MOST_THINGS)) {
    await hear(isCancelled);
    const { top, left, bottom, right } = boundingBox(part);
    const reach = Math.max(LEAST_SIDE, rint(REACH * Math.max(bottom - top, right - left)));
    const crop = withContext(where, mask, reach, 1);
    const thing = emptyMask(crop.right - crop.left, crop.bottom - crop.top);
    thing.put(part, relative(where, crop));
    const one = shadowIn(picture.crop(crop), unknown.crop(crop), thing, bordersOf(crop, mask));
    if (!one) continue;
    found += 1;
    shadow.put(one, crop, one);
  }
  return { shadow, found, things: things.length };
}

/** Which sides of a crop a photo goes on beyond. */
const bordersOf = ({ top, left, bottom, right }, { width, height }) =>
  ({ top: top > 0, left: left > 0, bottom: bottom < height, right: right < width });

/** The shadow of a thing in its surroundings, beyond the sides of which the photo goes on or not; null without one. */
function shadowIn(image, unknown, thing, goesOn) {
  const scale = Math.min(1, SIDE / Math.max(unknown.width, unknown.height));
  const around = surroundings(image, unknown, thing, scale);
  let [best, most] = [null, LIMIT];
  for (const candidate of candidates(around, goesOn)) {
    const traits = traitsOf(candidate, around);
    const score = traits ? Object.keys(WEIGHTS).reduce((sum, name) => sum + WEIGHTS[name] * traits[name], 0) : -Infinity;
    if (score > most) [best, most] = [candidate, score];
  }
  if (!best) return null;
  const full = scale < 1 ? widen(maskWhere(unknown, (i) => shareAt(best, i, unknown) > 0.5), rint(EDGE / scale)) : best;
  const known = without(full, unknown);
  return any(known) ? known : null;
}

function surroundings(image, unknown, thing, scale) {
  const small = { width: Math.max(rint(image.width * scale), 1), height: Math.max(rint(image.height * scale), 1) };
  const [unseen, thingThere] = [unknown, thing].map((one) => coverage(one, small));
  const logs = floats(small.width, small.height);
  reduced(image, small).forEach((colour, i) => {
    for (let c = 0; c < 3; c++) logs.data[3 * i + c] = Math.log(Math.round(colour[c]) + DARK);
  });
  return { logs: smoothed(smoothed(logs, unseen), unseen), unknown: unseen, thing: thingThere, near: widen(unseen, GAP) };
}

/** The pixels of a smaller copy that have any of a mask. */
function coverage(mask, small) {
  const found = emptyMask(small.width, small.height);
  for (let i = 0; i < mask.data.length; i++) {
    if (!mask.data[i]) continue;
    const [y, x] = [Math.floor(i / mask.width), i % mask.width];
    found.data[Math.floor((y * small.height) / mask.height) * small.width + Math.floor((x * small.width) / mask.width)] = 1;
  }
  return found;
}

/** The masks of regions that touch the thing and are dark: see the engine's. */
function* candidates(around, goesOn) {
  const { unknown, thing } = around;
  const area = count(thing);
  const near = beside(around, GAP);
  const ring = pixelsOf(beside(around, 2 * GAP));
  const touching = count(near);
  if (area < LEAST_THING || !touching) return;
  const brightness = channelOf(around.logs);
  const known = not(unknown);
  const fields = [brightness, ...ROUND.map((half) => {
    const mean = meansOf(brightness, known, rint(half * Math.sqrt(area)));
    return new Grid(brightness.data.map((value, i) => value - mean.data[i]), unknown.width, unknown.height);
  })];
  for (const field of fields) {
    const there = Float32Array.from(ring, (i) => field.data[i]).sort();
    const [first, last] = [percentile(there, FROM), percentile(there, UNTIL)];
    for (let level = 0; level < LEVELS; level++) {
      const limit = first + ((last - first) * level) / (LEVELS - 1);
      const dark = opened(maskWhere(known, (i) => field.data[i] < limit && known.data[i]));
      for (const pixels of regions(dark)) {
        if (pixels.length < SMALLEST * area || pixels.length > LARGEST * area) continue;
        if (pixels.reduce((sum, i) => sum + near.data[i], 0) < CONTACT * touching) continue;
        if (pixels.some((i) => isOpen(i, unknown, goesOn))) continue;
        const one = unknown.like();
        for (const i of pixels) one.data[i] = 1;
        yield one;
      }
    }
  }
}

const beside = ({ thing, unknown }, pixels) => without(widen(thing, pixels), unknown);

function isOpen(i, { width, height }, goesOn) {
  const [y, x] = [Math.floor(i / width), i % width];
  return (y === 0 && goesOn.top) || (x === 0 && goesOn.left) || (y === height - 1 && goesOn.bottom) || (x === width - 1 && goesOn.right);
}

/** What is left of a mask that is shrunk by a pixel, with what is beside that. */
const opened = (mask) => around3(around3(mask, true), false);

/** Whether all, or any, of the nine pixels around each are 1; the border is no edge. */
function around3(mask, all) {
  const { data, width, height } = mask;
  return maskWhere(mask, (i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
        if (Boolean(data[row * width + column]) !== all) return !all;
      }
    }
    return all;
  });
}

/** The pixels of each region of a mask that hangs together by edges. */
function regions({ data, width }) {
  const seen = new Uint8Array(data.length);
  const found = [];
  for (let first = 0; first < data.length; first++) {
    if (!data[first] || seen[first]) continue;
    const pixels = [first];
    seen[first] = 1;
    for (let next = 0; next < pixels.length; next++) {
      const i = pixels[next];
      const x = i % width;
      for (const j of [i - width, i + width, x > 0 ? i - 1 : -1, x < width - 1 ? i + 1 : -1]) {
        if (!data[j] || seen[j]) continue; // beyond the picture there is nothing
        seen[j] = 1;
        pixels.push(j);
      }
    }
    found.push(pixels);
  }
  return found;
}

/** The traits of a candidate; null if it has too little of an edge with its surroundings, or is hardly darker. */
function traitsOf(candidate, { logs, unknown, thing, near }) {
  const box = boundingBox(candidate, 2 * ACROSS);
  const [inside, colours, unseen, close] = [candidate, logs, unknown, near].map((one) => one.crop(box));
  const outside = maskWhere(inside, (i) => !inside.data[i] && !unseen.data[i]);
  const whole = around3(inside, true);
  const edge = maskWhere(inside, (i) => inside.data[i] && !whole.data[i]);
  const beyond = sumsOf(new Grid(Float32Array.from(outside.data), outside.width, outside.height), ACROSS);
  const free = pixelsOf(maskWhere(edge, (i) => edge.data[i] && !close.data[i] && beyond.data[i] > LEAST_OUTSIDE));
  if (free.length < Math.max(8, 0.2 * count(edge))) return null;
  const [within, without] = [meansOf(colours, inside, ACROSS), meansOf(colours, outside, ACROSS)];
  const steps = [0, 1, 2].map((c) => Array.from(free, (i) => without.data[3 * i + c] - within.data[3 * i + c]));
  const mean = Array.from(free, (_, p) => (steps[0][p] + steps[1][p] + steps[2][p]) / 3);
  const step = median(mean);
  if (step < FAINTEST) return null;
  const bright = Array.from(free, (i) => (without.data[3 * i] + without.data[3 * i + 1] + without.data[3 * i + 2]) / 3);
  const hues = steps.map(median);
  const area = count(inside);
  return {
    same: mean.filter((one) => Math.abs(one - step) < step / 2).length / mean.length,
    step,
    solid: area / (hullArea(inside) + 1),
    hue: (Math.max(...hues) - Math.min(...hues)) / step,
    uneven: deviation(bright) / step,
    size: Math.log(area / count(thing)),
  };
}

/** The area of the convex hull of the middles of a mask's pixels (Andrew 1979). */
function hullArea(mask) {
  const points = [];
  for (let x = 0; x < mask.width; x++) {
    let [first, last] = [-1, -1];
    for (let y = 0; y < mask.height; y++) {
      if (!mask.data[y * mask.width + x]) continue;
      if (first < 0) first = y;
      last = y;
    }
    if (first >= 0) points.push([x, first], ...(last > first ? [[x, last]] : []));
  }
  const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  const halfOf = (ordered) => {
    const hull = [];
    for (const point of ordered) {
      while (hull.length > 1 && turn(hull.at(-2), hull.at(-1), point) <= 0) hull.pop();
      hull.push(point);
    }
    return hull.slice(0, -1);
  };
  const hull = [...halfOf(points), ...halfOf(points.toReversed())];
  return Math.abs(hull.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = hull[(at + 1) % hull.length];
    return sum + x * nextY - nextX * y;
  }, 0)) / 2;
}
