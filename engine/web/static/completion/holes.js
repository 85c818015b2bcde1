// The holes of a mask: grown, found, cut into pieces and measured. What each function does is engine/inference/holes/mask.py.

import { distances, squaredDistances } from "./distance.js";
import { all, boundingBox, count, emptyMask, Grid, relative, rint, shifted, withContext } from "./grid.js";

const CELL = 8; // side in pixels of the cells that `components` works on
const [LONG, THIN, PIECE] = [2 ** 17, 96, 512];
const LARGEST_KERNEL = 16; // pixels up to which masks are grown by OpenCV's disc
const WIDER = [[0, 2], [4, 3], [16, 4]]; // pixels by which holes thicker than so many pixels are grown

/** The mask grown by a disc of this radius. */
export function widen(mask, pixels) {
  const wide = mask.copy();
  const where = pixels && boundingBox(mask, pixels, 1);
  if (!where) return wide;
  const part = mask.crop(where);
  wide.put(pixels > LARGEST_KERNEL ? grownByDistance(part, pixels) : grownByDisc(part, pixels), where);
  return wide;
}

/** Half a pixel more, as in OpenCV's disc, whose rows are rounded. */
function grownByDistance(mask, pixels) {
  const grown = mask.like();
  const squares = squaredDistances(new Grid(mask.data.map((one) => 1 - one), mask.width, mask.height));
  for (let i = 0; i < squares.length; i++) grown.data[i] = squares[i] <= (pixels + 0.5) ** 2 ? 1 : 0;
  return grown;
}

/** Only pixels at the mask's edge reach others that are not in it. */
function grownByDisc(mask, pixels) {
  const { data, width, height } = mask;
  const grown = mask.copy();
  const reaches = Array.from({ length: 2 * pixels + 1 }, (_, row) => Math.round(Math.sqrt(pixels ** 2 - (row - pixels) ** 2)));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (!data[i] || (x > 0 && x < width - 1 && data[i - 1] && data[i + 1] && data[i - width] && data[i + width])) continue;
      for (let row = Math.max(y - pixels, 0); row <= Math.min(y + pixels, height - 1); row++) {
        const reach = reaches[row - y + pixels];
        const from = row * width + Math.max(x - reach, 0);
        grown.data.fill(1, from, row * width + Math.min(x + reach, width - 1) + 1);
      }
    }
  }
  return grown;
}

/** The mask with each of its holes grown as its thickness asks for, and by how many pixels that was: {hole, widened}. */
export function widenByThickness(mask) {
  const hole = mask.copy();
  const widened = new Set();
  for (const { where, part } of components(mask)) {
    const { labels, total } = connected(part);
    const away = distances(part);
    const thick = new Float32Array(total + 1);
    for (let i = 0; i < away.length; i++) thick[labels[i]] = Math.max(thick[labels[i]], 2 * away[i]);
    const pixelsOf = Array.from(thick, (one) => WIDER.findLast(([thicker]) => one > thicker)?.[1] ?? 0);
    const crop = withContext(where, mask, WIDER.at(-1)[1]);
    for (const pixels of new Set(pixelsOf.slice(1))) {
      const alike = part.like();
      for (let i = 0; i < labels.length; i++) alike.data[i] = labels[i] && pixelsOf[labels[i]] === pixels ? 1 : 0;
      const here = emptyMask(crop.right - crop.left, crop.bottom - crop.top);
      here.put(alike, relative(where, crop));
      const grown = widen(here, pixels);
      hole.put(grown, crop, grown);
      widened.add(pixels);
    }
  }
  return { hole, widened: [...widened].sort() };
}

/** Labels, from 1 on, of the regions of a mask that touch at edges or corners, and how many there are: {labels, total}. */
export function connected({ data, width, height }) {
  const labels = new Int32Array(width * height);
  const stack = [];
  let total = 0;
  for (let first = 0; first < data.length; first++) {
    if (!data[first] || labels[first]) continue;
    labels[first] = ++total;
    stack.push(first);
    while (stack.length) {
      const at = stack.pop();
      const [y, x] = [Math.floor(at / width), at % width];
      for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny++) {
        for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx++) {
          const next = ny * width + nx;
          if (!data[next] || labels[next]) continue;
          labels[next] = total;
          stack.push(next);
        }
      }
    }
  }
  return { labels, total };
}

/** The holes of a mask, those within CELL pixels of each other as one: [{where, part: the mask there}, ...]. */
export function components(mask) {
  const outer = boundingBox(mask, 1, CELL);
  if (!outer) return [];
  const seen = mask.crop(outer);
  const cells = emptyMask(Math.ceil(seen.width / CELL), Math.ceil(seen.height / CELL));
  forEachPixel(seen, seen.whole, (i, cell) => {
    if (seen.data[i]) cells.data[cell] = 1;
  });
  const { labels, total } = connected(cells);
  const boxes = boxesOf(labels, total, cells);
  return boxes.map((box, at) => {
    const where = withContext(scaled(box), seen, CELL, 1); // one cell more on each side
    const part = seen.crop(where);
    forEachPixel(seen, where, (i, cell) => {
      if (labels[cell] !== at + 1) part.data[i] = 0;
    });
    return { where: shifted(where, outer), part };
  });
}

/** Calls `visit(i, cell)` for the pixels of a place in a mask: their number in that place, and that of their cell. */
function forEachPixel({ width }, { top, left, bottom, right }, visit) {
  const across = Math.ceil(width / CELL);
  for (let y = top; y < bottom; y++) {
    const [row, cells] = [(y - top) * (right - left) - left, Math.floor(y / CELL) * across];
    for (let x = left; x < right; x++) visit(row + x, cells + Math.floor(x / CELL));
  }
}

const scaled = ({ top, left, bottom, right }) => ({ top: top * CELL, left: left * CELL, bottom: bottom * CELL, right: right * CELL });

function boxesOf(labels, total, { width }) {
  const boxes = Array.from({ length: total }, () => ({ top: Infinity, left: Infinity, bottom: 0, right: 0 }));
  labels.forEach((label, at) => {
    if (!label) return;
    const [box, y, x] = [boxes[label - 1], Math.floor(at / width), at % width];
    box.top = Math.min(box.top, y);
    box.left = Math.min(box.left, x);
    box.bottom = Math.max(box.bottom, y + 1);
    box.right = Math.max(box.right, x + 1);
  });
  return boxes;
}

/** The holes as `components` has them, long thin ones cut: [{where, part, crop: what is to be looked at for it}, ...]. */
export function pieces(mask, context) {
  return components(mask).flatMap(({ where, part }) => {
    const thick = thicknessIfLong(part);
    if (thick > THIN) return [{ where, part, crop: withContext(where, mask, context) }];
    const seen = Math.max(context, rint(2 * thick));
    return cutUp(part).map((box) => {
      const here = shifted(box, where);
      return { where: here, part: part.crop(box), crop: withContext(here, mask, seen) };
    });
  });
}

/** The boxes of what a hole has in each tile of PIECE pixels a side. */
function cutUp(part) {
  const boxes = [];
  for (let top = 0; top < part.height; top += PIECE) {
    for (let left = 0; left < part.width; left += PIECE) {
      const tile = { top, left, bottom: Math.min(top + PIECE, part.height), right: Math.min(left + PIECE, part.width) };
      const box = boundingBox(part.crop(tile));
      if (box) boxes.push(shifted(box, tile));
    }
  }
  return boxes;
}

function thicknessIfLong(part) {
  return part.data.length <= LONG || count(part) > part.data.length / 4 ? Infinity : thickness(part);
}

/** Twice the largest distance in pixels from inside the hole to a pixel outside it. */
export function thickness(hole) {
  if (all(hole)) return 2 * Math.max(hole.width, hole.height);
  return 2 * distances(hole).reduce((most, one) => Math.max(most, one), 0);
}
