// The network's way through a photo: from the coarsest scale to the photo's own, hole by hole, in place, as
// engine/inference/coarse_to_fine.py has it.

import { isGrey, join, makeGrey } from "./blend.js";
import { bringBack, faintHoles, stretch } from "./contrast.js";
import { fillFlat, fillSmoothly } from "./fill.js";
import { all, any, boundingBox, partIn, relative, rint, withContext } from "./grid.js";
import { components, pieces, thickness, widen } from "./holes.js";
import { fillPlainHoles } from "./plain.js";
import { BAND, beyond, doubleInto, halve, halveMask, halveWhere, octavesFor, putRingBeside } from "./scales.js";
import { assembled, holedOf, planWindows } from "./windows.js";

const STRIDE = 4;
const sizeOf = ({ top, left, bottom, right }) => (bottom - top) * (right - left);

/** Pixels of all windows that a mask takes, at all scales; about, as plain and faint holes are not looked for. */
export function workFor(wanted, { spec, limit }, octaves = null) {
  let pixels = 0;
  const rest = wanted.copy();
  for (const { where, part, count } of largeHoles(wanted, spec, octaves)) {
    const crop = withContext(where, wanted, spec.halo << count);
    const here = partIn(part, where, crop);
    pixels += workFor(halveMask(here), { spec, limit }, count - 1);
    rest.clear(beyond(here, rint(BAND * spec.hole_size[1])), crop);
  }
  const windows = any(rest) ? planWindows(widen(rest, 1), spec.halo, limit) : [];
  return windows.reduce((sum, { outer }) => sum + sizeOf(outer), pixels);
}

/** The holes to be completed at half the resolution first, [{where, part, count: of halvings}, ...]. */
function largeHoles(wanted, spec, octaves) {
  return components(wanted).flatMap(({ where, part }) => {
    const count = octavesOf(part, spec, octaves);
    return count > 0 && Math.min(part.width, part.height) > 1 ? [{ where, part, count }] : [];
  });
}

const octavesOf = (part, spec, octaves) => octaves ?? octavesFor(thickness(part), spec.hole_size[1]);

export class CoarseToFine {
  constructor(network, progress) {
    Object.assign(this, { network, progress, spec: network.spec });
  }

  /**
   * Completes the wanted part of the holes of a picture at 1/scale of the resolution, in place; the masks are changed, too.
   * `own` is where the photo's own pixels are, beyond which it is mirrored. `octaves` is null where holes are not halved yet.
   */
  async complete(picture, hole, wanted, octaves, scale, own) {
    fillPlainHoles(picture, hole, wanted, own);
    const faint = scale === 1 ? faintHoles(picture, hole, wanted) : [];
    for (const { where, part, contrast } of faint) {
      await this.#completeStretched(picture, hole, where, part, contrast, octaves, own);
      wanted.clear(part, where);
    }
    if (any(wanted)) await this.#fromCoarseToFine(picture, hole, wanted, octaves, scale, own);
  }

  /** Completes one hole, with the contrast around it brought to the network's range, and makes it known. */
  async #completeStretched(picture, hole, where, part, contrast, octaves, own) {
    const reach = this.spec.halo << octavesOf(part, this.spec, octaves);
    const crop = withContext(where, hole, reach + STRIDE, STRIDE);
    const here = partIn(part, where, crop);
    const stretched = stretch(picture.crop(crop), contrast);
    await this.#fromCoarseToFine(stretched, hole.crop(crop), here.copy(), octaves, 1, relative(own, crop));
    picture.put(bringBack(stretched, contrast, picture), crop, here);
    hole.clear(here, crop);
  }

  /** Completes holes by the network, the inside of large ones at coarser scales first. */
  async #fromCoarseToFine(picture, hole, wanted, octaves, scale, own) {
    const large = largeHoles(wanted, this.spec, octaves);
    for (const one of large) await this.#fillInside(picture, hole, wanted, one, scale, own);
    const needed = widen(wanted, 1);
    const box = boundingBox(needed);
    if (!box) return;
    this.#fill(picture, hole, withContext(box, hole, this.spec.halo));
    const generated = await this.#generate(picture, hole, needed, scale);
    this.#joinHoles(picture, generated, hole, wanted);
  }

  /** Puts into the holes what the network is to see there. */
  #fill(picture, hole, seen) {
    const [part, holeThere] = [picture.crop(seen), hole.crop(seen)];
    if (this.spec.fill === "smooth") fillSmoothly(part, holeThere);
    else fillFlat(part, holeThere, this.spec.mean_pixel);
    picture.put(part, seen);
  }

  async #generate(picture, hole, needed, scale) {
    const windows = planWindows(needed, this.spec.halo, this.network.limit);
    const generated = [];
    for (const window of windows) {
      await this.progress.next(scale, generated.length, windows.length);
      const began = performance.now();
      const rgb = await this.network.run(holedOf(picture, hole, window.outer), window);
      this.progress.ran(sizeOf(window.outer), performance.now() - began);
      generated.push({ region: window.region, rgb });
    }
    return generated;
  }

  /** Completes a large hole at half the scale and makes its inside, beyond a band at its border, known. */
  async #fillInside(picture, hole, wanted, { where, part, count }, scale, own) {
    const crop = withContext(where, picture, this.spec.halo << count);
    const [before, holeThere, here] = [picture.crop(crop), hole.crop(crop), partIn(part, where, crop)];
    const halfHole = halveMask(holeThere);
    if (all(halfHole)) return;
    const half = halve(before, holeThere);
    putRingBeside(half, halfHole, before, holeThere);
    await this.complete(half, halfHole, halveMask(here), count - 1, 2 * scale, halveWhere(relative(own, crop)));
    const inside = beyond(here, rint(BAND * this.spec.hole_size[1]));
    doubleInto(before, half, inside);
    picture.put(before, crop, inside);
    hole.clear(inside, crop);
    wanted.clear(inside, crop);
  }

  /** Puts the network's output into the wanted part of the picture, hole by hole; grey where all around a hole is. */
  #joinHoles(picture, generated, hole, wanted) {
    for (const { where, part, crop } of pieces(wanted, 0)) {
      const joined = join(picture.crop(crop), assembled(generated, crop), hole.crop(crop), wanted.crop(crop));
      const seen = withContext(where, hole, this.spec.halo);
      if (isGrey(picture.crop(seen), hole.crop(seen))) makeGrey(joined);
      picture.put(joined.crop(relative(where, crop)), where, part);
    }
  }
}
