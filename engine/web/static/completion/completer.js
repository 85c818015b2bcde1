// Completing the holes of a photo, from pixels to pixels: what engine/inference/completer.py does without texture.

import { endsFor, mirror, ownHoles, ownPart } from "./border.js";
import { CoarseToFine, workFor } from "./coarse_to_fine.js";
import { lacking } from "./detail.js";
import { fillFlat } from "./fill.js";
import { all, any, count, either, without } from "./grid.js";
import { widenByThickness } from "./holes.js";
import { Progress } from "./progress.js";

const NOTHING_LEFT = "so that nothing is left to complete it from; paint over less.";

/** A hole that cannot be completed; the message is for people. */
export class Unusable extends Error {}

/** The mask as holes, each grown as its thickness asks for: {hole, widened}. Unusable if it has nothing in or outside it. */
export function prepared(mask) {
  if (!any(mask)) throw new Unusable("Nothing is painted on the photo; paint over what should go.");
  const { hole, widened } = widenByThickness(mask);
  if (all(hole)) throw new Unusable(`All of the photo is painted over, ${NOTHING_LEFT}`);
  return { hole, widened };
}

/**
 * A copy of the photo with the hole, as `prepared` gives it, completed, and what people should know: {picture, notes}.
 * `hidden`, a mask or null, has the pixels whose colours mean nothing.
 */
export async function complete(photo, hole, hidden, network, onStep, isCancelled) {
  const unknown = hidden ? either(hole, hidden) : hole;
  if (all(unknown)) throw new Unusable(`All of the photo that can be seen is painted over, ${NOTHING_LEFT}`);
  const ends = endsFor(hole);
  const picture = mirror(photo, ends);
  const own = ownPart(photo, ends);
  const [wideHole, wideUnknown] = [mirror(hole, ends), mirror(unknown, ends)];
  if (hidden) fillFlat(picture, wideUnknown, network.spec.mean_pixel);
  const wanted = ownHoles(wideHole, own);
  const scales = new CoarseToFine(network, new Progress(onStep, isCancelled, workFor(wanted, network)));
  await scales.complete(picture, wideUnknown, wanted, null, 1, own);
  const completed = picture.crop(own);
  if (hidden) completed.put(photo, photo.whole, without(unknown, hole));
  return { picture: completed, notes: [...notesOf(hole, ends), ...textureNotes(completed, hole, unknown)] };
}

function notesOf(hole, ends) {
  const notes = [];
  if (Object.values(ends).some(Boolean)) {
    notes.push("a hole is at the photo's border or next to it: beyond it there is only the photo, mirrored");
  }
  if (count(hole) > hole.data.length / 2) notes.push("more than half of the photo was completed, which is seldom meant");
  return notes;
}

function textureNotes(completed, hole, unknown) {
  const smooth = lacking(completed, hole, unknown);
  const why = "this page does not draw the photo's texture, as engine-infer does";
  return smooth ? [`${smooth} hole(s) are smoother than what is around them: ${why}`] : [];
}
