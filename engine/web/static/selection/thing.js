// The thing in a box or a rough outline: what differs from what is around these, by GrabCut (Rother et al. 2004). As
// engine/inference/masks/selection.py finds it, where OpenCV's GrabCut begins with colours drawn at random.

import { all, any, both, count, emptyMask, maskWhere, not, partIn, pixelsOf, relative, withContext } from "../completion/grid.js";
import { connected, widen } from "../completion/holes.js";
import { Unusable } from "../completion/completer.js";
import { cut, stepsOf } from "./graph_cut.js";
import { densityOf, firstParts, mixtureOf } from "./mixture.js";
import { reduced, shareAt } from "./scaling.js";

const SIDE = 384; // pixels of the longer side that the thing is first looked for at
const [AROUND, LEAST] = [0.3, 16]; // surroundings that are looked at: a share of the box's longer side, and pixels
const EDGE = 2; // pixels of a smaller copy by which what is found in it is widened
const ROUNDS = 2; // times that colours are estimated, and the edge is drawn anew
const [FEWEST, SPECK] = [0.02, 0.05]; // share of what is searched, and of the largest part, that counts
const GAMMA = 50; // what an edge between equal colours costs

/** The mask of the thing in a place of a picture; `searched` is the part of it where it is looked for. Unusable if there is none. */
export function thingIn(picture, where, searched) {
  const around = Math.max(LEAST, Math.round(AROUND * Math.max(searched.width, searched.height)));
  const crop = withContext(where, picture, around, 1);
  const inCrop = partIn(searched, where, crop);
  if (!inCrop.data.includes(0)) throw new Unusable("The box is the whole photo; draw it around the thing alone.");
  const thing = found(picture.crop(crop), inCrop);
  if (!thing) throw new Unusable("Nothing there differs from what is around it; draw closer around the thing.");
  return thing.crop(relative(where, crop));
}

function found(image, searched) {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
  const small = { width: Math.max(Math.round(image.width * scale), 1), height: Math.max(Math.round(image.height * scale), 1) };
  const smallSearched = maskWhere(small, (i) => searched.data[nearestOf(i, small, searched)]);
  if (!any(smallSearched) || all(smallSearched)) return null;
  const smallThing = cutOut(reduced(image, small), smallSearched);
  const wide = scale < 1 ? widen(smallThing, EDGE) : smallThing;
  if (count(wide) < Math.max(FEWEST * count(smallSearched), 1)) return null;
  const thing = withoutSpecks(wide);
  return maskWhere(image, (i) => searched.data[i] && shareAt(thing, i, image) > 0.5);
}

/** The pixel of a larger grid in the middle of one of a smaller. */
function nearestOf(i, small, { width, height }) {
  const [y, x] = [Math.floor(i / small.width), i % small.width];
  return Math.floor(((y + 0.5) * height) / small.height) * width + Math.floor(((x + 0.5) * width) / small.width);
}

/** The mask of what GrabCut takes for the thing where it is searched, in an image of colours. */
function cutOut(colours, searched) {
  const edges = edgesOf(colours, searched);
  let thing = searched;
  let parts = null;
  for (let round = 0; round < ROUNDS && any(thing); round++) {
    const sides = [pixelsOf(thing), pixelsOf(not(thing))].map((pixels) => Array.from(pixels));
    const mixtures = sides.map((pixels, side) => {
      const mine = pixels.map((i) => colours[i]);
      return mixtureOf(mine, parts ? mine.map((colour) => densityOf(parts[side], colour).part) : firstParts(mine));
    });
    const ends = Float64Array.from(colours, (colour, i) =>
      searched.data[i] ? logOf(mixtures[0], colour) - logOf(mixtures[1], colour) : -9 * GAMMA);
    const side = cut(edges.map((costs) => costs.slice()), ends, searched.width);
    thing = both(maskWhere(searched, (i) => side[i]), searched);
    parts = mixtures;
  }
  return thing;
}

const logOf = (mixture, colour) => Math.log(Math.max(densityOf(mixture, colour).density, 1e-300));

/** What it costs to cut between each pixel and its eight neighbours: little where colours differ more than they do elsewhere. */
function edgesOf(colours, { width, height }) {
  const steps = stepsOf(width);
  const apart = (one, other) => (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2;
  const edges = steps.map(() => new Float64Array(width * height));
  let [total, pairs] = [0, 0];
  const forEachPair = (visit) => {
    for (const d of [0, 2, 4, 6]) {
      const [down, right] = [[0, 1], [1, 0], [1, 1], [1, -1]][d / 2];
      for (let y = 0; y + down < height; y++) {
        for (let x = Math.max(-right, 0); x + Math.max(right, 0) < width; x++) visit(y * width + x, d, down && right);
      }
    }
  };
  forEachPair((i, d) => {
    total += apart(colours[i], colours[i + steps[d]]);
    pairs += 1;
  });
  const beta = total ? pairs / (2 * total) : 0;
  forEachPair((i, d, isDiagonal) => {
    const cost = (GAMMA * Math.exp(-beta * apart(colours[i], colours[i + steps[d]]))) / (isDiagonal ? Math.SQRT2 : 1);
    edges[d][i] = edges[d ^ 1][i + steps[d]] = cost;
  });
  return edges;
}

/** The thing without parts that are small beside its largest one, and with its holes filled. */
function withoutSpecks(thing) {
  const { labels, total } = connected(thing);
  const sizes = new Float64Array(total + 1);
  for (const label of labels) sizes[label] += 1;
  const largest = sizes.subarray(1).reduce((most, size) => Math.max(most, size), 0);
  return filled(maskWhere(thing, (i) => labels[i] && sizes[labels[i]] >= SPECK * largest));
}

/** A mask with what it encloses: all that cannot be reached from outside of it. */
function filled(mask) {
  const wide = emptyMask(mask.width + 2, mask.height + 2);
  wide.put(mask, { top: 1, left: 1 });
  const outside = wide.like();
  const stack = [0];
  outside.data[0] = 1;
  while (stack.length) {
    const at = stack.pop();
    const x = at % wide.width;
    for (const next of [at - wide.width, at + wide.width, x > 0 ? at - 1 : at, x < wide.width - 1 ? at + 1 : at]) {
      if (wide.data[next] !== 0 || outside.data[next]) continue;
      outside.data[next] = 1;
      stack.push(next);
    }
  }
  return not(outside).crop({ top: 1, left: 1, bottom: mask.height + 1, right: mask.width + 1 });
}
