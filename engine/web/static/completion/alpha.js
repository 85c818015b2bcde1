// A photo's transparency, which is completed as its colours are where it varies in or around a hole, as
// engine/inference/alpha.py has it.

import { complete } from "./completer.js";
import { Grid } from "./grid.js";
import { widen } from "./holes.js";

const NEAR = 4; // pixels around a hole whose transparency is compared with that in it
const STEEPER = 4; // by which completed alpha is moved away from half transparent where nothing around the hole is

/** The alpha completed in the hole, or null where it does not vary there; the rest as `complete` takes it. */
export async function completeAlpha(alpha, hole, network, onStep, isCancelled) {
  const near = widen(hole, NEAR);
  const values = alpha.data.filter((_, i) => near.data[i]);
  if (values.every((value) => value === values[0])) return null;
  const around = alpha.data.filter((_, i) => near.data[i] && !hole.data[i]);
  const isHard = around.every((value) => value === 0 || value === 255);
  const grey = new Grid(new Uint8Array(3 * alpha.data.length), alpha.width, alpha.height, 3);
  for (let i = 0; i < grey.data.length; i++) grey.data[i] = alpha.data[Math.floor(i / 3)];
  const { picture } = await complete(grey, hole, null, network, onStep, isCancelled);
  const completed = alpha.copy();
  for (let i = 0; i < completed.data.length; i++) {
    const value = picture.data[3 * i];
    if (hole.data[i] && value !== alpha.data[i]) completed.data[i] = isHard ? steeper(value) : value;
  }
  return completed;
}

const steeper = (value) => Math.min(Math.max(Math.round((value - 127.5) * STEEPER + 127.5), 0), 255);
