// Joining the network's output to the photo around a hole by Poisson image editing, as engine/inference/holes/blend.py has it.

import { both, floats, maskWhere, not, rint, without } from "./grid.js";
import { harmonic } from "./harmonic.js";

/**
 * The picture after blending, right where `changed` is 1. `generated` is in [0, 1], and covers one pixel around the hole;
 * `hole` is all that is unknown.
 */
export function join(picture, generated, hole, changed) {
  const { white } = picture;
  const difference = floats(picture.width, picture.height);
  for (let i = 0; i < difference.data.length; i++) difference.data[i] = picture.data[i] - generated.data[i] * white;
  const beside = without(both(crossed(changed), not(hole)), changed);
  const correction = harmonic(difference, beside, changed);
  const joined = picture.like();
  for (let i = 0; i < joined.data.length; i++) {
    const value = Math.fround(generated.data[i] * white) + correction.data[i];
    joined.data[i] = Math.min(Math.max(rint(value), 0), white);
  }
  return joined;
}

/** A mask and its pixels' four neighbours. */
function crossed(mask) {
  const { data, width } = mask;
  return maskWhere(mask, (i) => {
    const x = i % width;
    return data[i] || data[i - width] || data[i + width] || (x > 0 && data[i - 1]) || (x < width - 1 && data[i + 1]);
  });
}

/** Whether no known pixel has a colour. */
export function isGrey(picture, hole) {
  return !hole.data.some((one, i) => {
    const [red, green, blue] = [picture.data[3 * i], picture.data[3 * i + 1], picture.data[3 * i + 2]];
    return !one && (red !== green || green !== blue);
  });
}

/** The luma of a picture, in place. */
export function makeGrey({ data }) {
  for (let i = 0; i < data.length; i += 3) {
    data.fill(Math.floor((299 * data[i] + 587 * data[i + 1] + 114 * data[i + 2] + 500) / 1000), i, i + 3);
  }
}
