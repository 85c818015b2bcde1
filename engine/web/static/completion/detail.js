// Whether a completed hole lacks the detail of its surroundings, which engine-infer would draw with the photo's own texture
// and this page does not: about as engine/inference/texture/detail.py and pyramid.py judge it, at the photo's resolution.

import { count, not, partIn, pixelsOf, withContext } from "./grid.js";
import { components, thickness, widen } from "./holes.js";

const REACH = 3; // pixels from the middle of a patch to its sides
const SMALL = 14; // pixels across a hole up to which there is no room for texture
const [AROUND, LEAST, MOST] = [0.65, 64, 256]; // where surroundings are looked at: of the hole's own size, in pixels
const [COLOUR, NEAR] = [12, 0.15]; // by which patches are alike: grey levels, and a share of the hole's size
const SAMPLES = 300; // patches that are looked at
const [SMOOTH, ENOUGH] = [0.7, 0.7]; // grey levels below which surroundings are smooth, and the share of theirs that is enough

/** How many of the holes of a completed picture have less detail than what is around them. */
export function lacking(picture, hole, unknown) {
  return components(hole).filter(({ where, part }) => {
    const size = Math.sqrt(count(part));
    if (thickness(partIn(part, where, grown(where))) <= SMALL) return false;
    const crop = withContext(where, picture, Math.round(Math.min(Math.max(AROUND * size, LEAST), MOST)));
    const seen = picture.crop(crop);
    const inside = patchesAt(seen, pixelsOf(partIn(part, where, crop)));
    const around = patchesAt(seen, pixelsOf(not(widen(unknown.crop(crop), REACH + 2))));
    if (!inside.length || !around.length) return false;
    const wanted = mean(inside.map((patch) => expected(patch, around, size)));
    return wanted >= SMOOTH && mean(inside.map(({ detail }) => detail)) <= ENOUGH * wanted;
  }).length;
}

const grown = ({ top, left, bottom, right }) => ({ top: top - 1, left: left - 1, bottom: bottom + 1, right: right + 1 });
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Some of the patches around pixels, as far as they lie in the picture: [{x, y, colour, detail}, ...]. */
function patchesAt(picture, pixels) {
  const { width, height } = picture;
  const within = pixels.filter((i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return Math.min(x, y, width - 1 - x, height - 1 - y) >= REACH;
  });
  const step = Math.max(1, Math.floor(within.length / SAMPLES));
  return Array.from(within.filter((_, at) => at % step === 0), (i) => patchAt(picture, Math.floor(i / width), i % width));
}

/** A patch's mean colour, and the standard deviation of its brightness about its plane. */
function patchAt({ data, width }, y, x) {
  const colour = [0, 0, 0];
  let [squares, sum, down, right, total] = [0, 0, 0, 0, 0];
  for (let dy = -REACH; dy <= REACH; dy++) {
    for (let dx = -REACH; dx <= REACH; dx++) {
      const at = 3 * ((y + dy) * width + x + dx);
      for (let c = 0; c < 3; c++) colour[c] += data[at + c];
      const brightness = (data[at] + data[at + 1] + data[at + 2]) / Math.sqrt(3);
      squares += brightness ** 2;
      sum += brightness;
      down += dy * brightness;
      right += dx * brightness;
      total += 1;
    }
  }
  const spread = (total * REACH * (REACH + 1)) / 3; // the sum of dx squared
  const left = squares - sum ** 2 / total - (down ** 2 + right ** 2) / spread;
  return { x, y, colour: colour.map((value) => value / total), detail: Math.sqrt(Math.max(left, 0) / total) };
}

/** The detail of patches, those of a patch's colour that are near it above all. */
function expected(patch, around, size) {
  const squared = around.map(({ x, y, colour }) => {
    const apart = colour.reduce((sum, value, c) => sum + ((value - patch.colour[c]) / COLOUR) ** 2, 0);
    return apart + ((x - patch.x) ** 2 + (y - patch.y) ** 2) / (NEAR * size) ** 2;
  });
  const least = Math.min(...squared);
  const weights = squared.map((one) => Math.exp((least - one) / 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.reduce((sum, weight, at) => sum + weight * around[at].detail, 0) / total;
}
