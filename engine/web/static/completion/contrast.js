// Holes whose surroundings use little of the range: these are brought to the network's range, and the result back, as
// engine/inference/holes/contrast.py has it.

import { Grid, partIn, pixelsOf, rint, withContext, without } from "./grid.js";
import { components, widen } from "./holes.js";

export const NEAR = 32; // pixels around a hole whose values are looked at
const OUTLIERS = 0.005; // share of these pixels, at either end, that do not count
const SAMPLES = 2 ** 16; // about as many are sorted
const FAINT = 1 / 4; // share of the range below which the surroundings are stretched
const STRETCHED = 0.8; // share of the range that they then have

/** The values of the known pixels near a hole: {middle of each channel, span of the channel that spans most}. */
export function contrastAround(picture, hole, part) {
  const found = pixelsOf(without(widen(part, NEAR), hole));
  if (!found.length) return { middle: [0, 0, 0], span: 0 };
  const step = Math.floor(found.length / SAMPLES) + 1;
  const sampled = found.filter((_, at) => at % step === 0);
  const ends = [0, 1, 2].map((c) => {
    const sorted = Float64Array.from(sampled, (i) => picture.data[3 * i + c]).sort();
    return [quantile(sorted, OUTLIERS), quantile(sorted, 1 - OUTLIERS)];
  });
  return { middle: ends.map(([low, high]) => (low + high) / 2), span: Math.max(...ends.map(([low, high]) => high - low)) };
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}

/** The wanted holes with less contrast around them than the network needs: [{where, part, contrast}, ...]. */
export function faintHoles(picture, hole, wanted) {
  return components(wanted).flatMap(({ where, part }) => {
    const crop = withContext(where, hole, NEAR);
    const contrast = contrastAround(picture.crop(crop), hole.crop(crop), partIn(part, where, crop));
    return contrast.span > 0 && contrast.span < FAINT * picture.white ? [{ where, part, contrast }] : [];
  });
}

/** The picture in 16 bits, these values in the network's range; what is far beyond them is cut off. */
export function stretch({ data, width, height }, { middle, span }) {
  const stretched = new Grid(new Uint16Array(data.length), width, height, 3);
  for (let i = 0; i < data.length; i++) {
    const value = ((data[i] - middle[i % 3]) * STRETCHED) / span + 0.5;
    stretched.data[i] = rint(Math.min(Math.max(value, 0), 1) * 65535);
  }
  return stretched;
}

/** The inverse, as a picture like another one. */
export function bringBack(stretched, { middle, span }, picture) {
  const back = picture.like(stretched.width, stretched.height);
  for (let i = 0; i < back.data.length; i++) {
    const value = (stretched.data[i] / 65535 - 0.5) * (span / STRETCHED) + middle[i % 3];
    back.data[i] = Math.min(Math.max(rint(value), 0), picture.white);
  }
  return back;
}
