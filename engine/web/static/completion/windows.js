// The parts of a picture that the network runs on. A region is what is kept of a window, and the halo what the network has
// to see around it; all lie on multiples of STRIDE. The plan is that of engine/inference/windows/plan.py, with simpler costs.

import { boundingBox, floats, Grid, relative, shifted } from "./grid.js";

const STRIDE = 4; // the network halves the resolution twice
const MIN_REGION = 64; // pixels of a region's sides, at least: the halo costs more anyway
const REGION_STEP = 32; // to which they are rounded up, so that windows of one size are common
const MAX_TILES = 512; // that the search starts from

const roundUp = (value, multiple = STRIDE) => Math.ceil(value / multiple) * multiple;

/** Pixels of the smallest window of a large photo. */
export const smallestWindow = (halo) => (MIN_REGION + 2 * halo) ** 2;

/** The windows, [{region, outer}, ...], that cover a mask, none of more than `most` pixels. */
export function planWindows(mask, halo, most) {
  const size = { height: roundUp(mask.height), width: roundUp(mask.width) };
  const whole = { top: 0, left: 0, bottom: size.height, right: size.width };
  if (Math.min(size.height, size.width) < MIN_REGION && size.height * size.width <= most) return [{ region: whole, outer: whole }];
  const boxes = merged(tilesOf(mask, regionSide(halo, most)), halo, most);
  const regions = new Map(boxes.map((box) => grown(box, size)).map((region) => [JSON.stringify(region), region]));
  return [...regions.values()].map((region) => ({ region, outer: withHalo(region, halo, size) }));
}

/** Side of the largest square region whose window has at most so many pixels. */
const regionSide = (halo, most) => Math.floor((Math.sqrt(most) - 2 * halo) / REGION_STEP) * REGION_STEP;

/** Boxes that cover the mask: around what it has in each tile of a grid. */
function tilesOf(mask, largest) {
  const box = boundingBox(mask, 0, STRIDE);
  if (!box) return [];
  for (let side = Math.min(2 * MIN_REGION, largest); ; side = Math.min(2 * side, largest)) {
    const tiles = [];
    for (let top = box.top; top < box.bottom; top += side) {
      for (let left = box.left; left < box.right; left += side) {
        const tile = { top, left, bottom: Math.min(top + side, box.bottom), right: Math.min(left + side, box.right) };
        const tight = boundingBox(mask.crop(tile));
        if (tight) tiles.push(aligned(shifted(tight, tile)));
      }
    }
    if (tiles.length <= MAX_TILES || side >= largest) return tiles;
  }
}

function aligned({ top, left, bottom, right }) {
  const down = (value) => Math.floor(value / STRIDE) * STRIDE;
  return { top: down(top), left: down(left), bottom: roundUp(bottom), right: roundUp(right) };
}

/** Joins the two boxes whose common window saves most, while any saves. */
function merged(tiles, halo, most) {
  if (tiles.length > MAX_TILES) return tiles;
  const boxes = [...tiles];
  for (;;) {
    let best = { saving: 0 };
    for (let one = 0; one < boxes.length; one++) {
      for (let other = one + 1; other < boxes.length; other++) {
        const joined = aroundBoth(boxes[one], boxes[other]);
        if (pixelsOf(joined, 2 * halo) > most) continue;
        const saving = costOf(boxes[one], halo) + costOf(boxes[other], halo) - costOf(joined, halo);
        if (saving > best.saving) best = { saving, one, other, joined };
      }
    }
    if (!best.saving) return boxes;
    boxes[best.one] = best.joined;
    boxes.splice(best.other, 1);
  }
}

const aroundBoth = (one, other) => ({
  top: Math.min(one.top, other.top),
  left: Math.min(one.left, other.left),
  bottom: Math.max(one.bottom, other.bottom),
  right: Math.max(one.right, other.right),
});

function pixelsOf({ top, left, bottom, right }, around) {
  const side = (length) => Math.max(roundUp(length, REGION_STEP), MIN_REGION) + around;
  return side(bottom - top) * side(right - left);
}

/** What a window takes, in units that only order them: from layer to layer it shrinks by its halo, of which half is the mean. */
const costOf = (box, halo) => pixelsOf(box, halo);

/** The box with sides of a multiple of REGION_STEP and at least MIN_REGION, moved to lie in the picture. */
function grown({ top, left, bottom, right }, { height, width }) {
  const rows = grownSide(top, bottom, height);
  const columns = grownSide(left, right, width);
  return { top: rows.first, left: columns.first, bottom: rows.stop, right: columns.stop };
}

function grownSide(first, stop, length) {
  const side = Math.min(Math.max(roundUp(stop - first, REGION_STEP), MIN_REGION), length);
  const before = Math.floor((side - (stop - first)) / 2 / STRIDE) * STRIDE;
  const start = Math.min(Math.max(first - before, 0), length - side);
  return { first: start, stop: start + side };
}

function withHalo({ top, left, bottom, right }, halo, { height, width }) {
  return {
    top: Math.max(top - halo, 0),
    left: Math.max(left - halo, 0),
    bottom: Math.min(bottom + halo, height),
    right: Math.min(right + halo, width),
  };
}

/** The network's input for a window, in planes: RGB in [0, 1] and the mask; beyond the picture it is mirrored. */
export function holedOf(picture, hole, { top, left, bottom, right }) {
  const [height, width] = [bottom - top, right - left];
  const planes = new Float32Array(4 * height * width);
  const mirrored = (at, length) => (at < length ? at : 2 * length - 1 - at);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = mirrored(top + y, picture.height) * picture.width + mirrored(left + x, picture.width);
      const to = y * width + x;
      for (let c = 0; c < 3; c++) planes[c * height * width + to] = picture.data[3 * from + c] / picture.white;
      planes[3 * height * width + to] = hole.data[from];
    }
  }
  return new Grid(planes, width, height, 4);
}

/** What windows gave, [{region, rgb: in [0, 1]}, ...], at a place; 0 where none of them was. */
export function assembled(generated, where) {
  const all = floats(where.right - where.left, where.bottom - where.top);
  for (const { region, rgb } of generated) {
    const both = {
      top: Math.max(region.top, where.top),
      left: Math.max(region.left, where.left),
      bottom: Math.min(region.bottom, where.bottom),
      right: Math.min(region.right, where.right),
    };
    if (both.top >= both.bottom || both.left >= both.right) continue;
    all.put(rgb.crop(relative(both, region)), relative(both, where));
  }
  return all;
}
