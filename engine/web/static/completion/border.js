// Holes at the photo's border: the photo goes on beyond it, mirrored, while they are completed, as
// engine/inference/holes/border.py has it.

import { any } from "./grid.js";
import { components } from "./holes.js";

const MIRRORED = 160; // pixels that are mirrored
const NEAR = 4; // known pixels between a hole and the border up to which it counts as at the border

/** The pixels to add beyond each of the photo's borders, {top, left, bottom, right}. */
export function endsFor(hole) {
  const reach = { x: Math.min(NEAR + 1, hole.width), y: Math.min(NEAR + 1, hole.height) };
  const whole = hole.whole;
  const strips = {
    top: { ...whole, bottom: reach.y },
    left: { ...whole, right: reach.x },
    bottom: { ...whole, top: hole.height - reach.y },
    right: { ...whole, left: hole.width - reach.x },
  };
  return Object.fromEntries(Object.entries(strips).map(([side, strip]) => [side, any(hole.crop(strip)) ? MIRRORED : 0]));
}

/** A copy of a grid, with its own mirror image beyond its borders. */
export function mirror(grid, { top, left, bottom, right }) {
  const { channels, width, height } = grid;
  const wide = grid.like(width + left + right, height + top + bottom);
  const row = wide.width * channels;
  for (let y = 0; y < wide.height; y++) {
    const from = mirrored(y - top, height) * width * channels;
    wide.data.set(grid.data.subarray(from, from + width * channels), y * row + left * channels);
    for (let x = 0; x < left + right; x++) {
      const at = x < left ? x : x + width;
      const like = from + mirrored(at - left, width) * channels;
      for (let c = 0; c < channels; c++) wide.data[y * row + at * channels + c] = grid.data[like + c];
    }
  }
  return wide;
}

/** Where a pixel beyond the border has its like: the border's pixels come twice. */
function mirrored(at, length) {
  const within = ((at % (2 * length)) + 2 * length) % (2 * length);
  return within < length ? within : 2 * length - 1 - within;
}

/** Where the photo itself is within what `mirror` made of it. */
export const ownPart = ({ width, height }, { top, left }) => ({ top, left, bottom: top + height, right: left + width });

/** The holes of a mirrored mask without those that lie in the mirror image alone. */
export function ownHoles(hole, own) {
  const kept = hole.copy();
  for (const { where, part } of components(hole)) {
    const inside = {
      top: Math.max(own.top - where.top, 0),
      left: Math.max(own.left - where.left, 0),
      bottom: Math.min(own.bottom, where.bottom) - where.top,
      right: Math.min(own.right, where.right) - where.left,
    };
    const isOwn = inside.bottom > inside.top && inside.right > inside.left && any(part.crop(inside));
    if (!isOwn) kept.clear(part, where);
  }
  return kept;
}
