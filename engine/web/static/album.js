// The photos that the page works on, in the worker's memory: decoded once, with what was completed in them.

import { completeAlpha } from "./completion/alpha.js";
import { complete, prepared, Unusable } from "./completion/completer.js";
import { any, boundingBox, emptyMask, Grid, maskWhere, not } from "./completion/grid.js";
import { blobOf, decoded, isJpeg, pixelsOf } from "./pictures.js";
import { shadowsOf } from "./selection/shadow.js";
import { thingIn } from "./selection/thing.js";

const MARGIN = 4; // pixels around the mask that a completion may change: by so many it is grown at most

const MOST_BYTES = 2 ** 30; // of all photos; those that were not used for longest are dropped, and sent again by the page

const photos = new Map(); // by name, last used last
let names = 0;

/** A photo that was dropped. */
export class Gone extends Error {}

/** Keeps a photo: {photo: its name, width, height}. Unreadable if the browser cannot show it. */
export async function add(file) {
  const { rgb, alpha } = layersOf(await decoded(file));
  const photo = String(++names);
  photos.set(photo, { name: file.name, isJpeg: await isJpeg(file), rgb, alpha, completions: [] });
  makeRoom();
  return { photo, width: rgb.width, height: rgb.height };
}

export const drop = (photo) => photos.delete(photo);

function get(photo) {
  const kept = photos.get(photo);
  if (!kept) throw new Gone("This photo is not in memory any more.");
  photos.delete(photo);
  photos.set(photo, kept);
  return kept;
}

/** Drops photos until the others fit; the newest stays, whatever its size. */
function makeRoom() {
  const bytesOf = ({ rgb, completions }) => [{ rgb }, ...completions].reduce((sum, one) => sum + (4 / 3) * one.rgb.data.length, 0);
  let taken = [...photos.values()].reduce((sum, kept) => sum + bytesOf(kept), 0);
  for (const [photo, kept] of photos) {
    if (taken <= MOST_BYTES || photos.size === 1) return;
    taken -= bytesOf(kept);
    photos.delete(photo);
  }
}

/** RGB as a picture, and alpha if any pixel is not opaque, else null. */
function layersOf({ data, width, height }) {
  const rgb = new Grid(new Uint8Array(3 * width * height), width, height, 3);
  const alpha = new Grid(new Uint8Array(width * height), width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) rgb.data[3 * i + c] = data[4 * i + c];
    alpha.data[i] = data[4 * i + 3];
  }
  return { rgb, alpha: alpha.data.every((one) => one === 255) ? null : alpha };
}

/**
 * Completes what is white in a mask, {x, y, width, height, png}, on top of a completion: {completion: its number, box,
 * widened, replaces, warnings}.
 */
export async function completeHole(network, photo, onto, mask, onStep, isCancelled) {
  const kept = get(photo);
  const before = after(kept, onto);
  const painted = await maskOf(mask, before.rgb);
  const { hole, widened } = prepared(painted);
  const { picture, notes } = await complete(before.rgb, hole, hiddenIn(before), network, onStep, isCancelled);
  const alpha = before.alpha && (await completeAlpha(before.alpha, hole, network, onStep, isCancelled));
  const where = boundingBox(painted, MARGIN);
  const changed = changesIn(before.rgb.crop(where), picture.crop(where));
  kept.completions.push({ onto, where, rgb: picture.crop(where), alpha: alpha?.crop(where) ?? null, changed });
  const box = [where.left, where.top, where.right - where.left, where.bottom - where.top];
  return { completion: kept.completions.length, box, widened, replaces: Boolean(alpha), warnings: notes };
}

/** The pixels whose colours nobody sees, or null. */
function hiddenIn({ alpha }) {
  const hidden = alpha && maskWhere(alpha, (i) => alpha.data[i] === 0);
  return hidden && any(hidden) ? hidden : null;
}

const changesIn = (before, now) =>
  maskWhere(before, (i) => [0, 1, 2].some((c) => before.data[3 * i + c] !== now.data[3 * i + c]));

/** What is white in a mask's box, as a mask of the whole photo. */
async function maskOf({ x, y, png }, { width, height }) {
  const mask = emptyMask(width, height);
  mask.put(await whiteIn(png), { top: y, left: x });
  return mask;
}

async function whiteIn(png) {
  const pixels = await decoded(png);
  return maskWhere(pixels, (i) => pixels.data[4 * i] >= 128);
}

/**
 * The mask of the thing in a box of the photo after a completion, as a PNG of the box; `outline` is one of where alone it is
 * looked for, or undefined.
 */
export async function select(photo, onto, { x, y, width, height }, outline) {
  const { rgb } = after(get(photo), onto);
  const searched = outline ? await whiteIn(outline) : not(emptyMask(width, height));
  const thing = thingIn(rgb, { top: y, left: x, bottom: y + height, right: x + width }, searched);
  return pngOf(thing);
}

/** The shadows beside what is white in a mask, {x, y, png}: {png: a mask, box, found: of how many things, things}. */
export async function shadow(photo, onto, mask, isCancelled) {
  const before = after(get(photo), onto);
  const painted = await maskOf(mask, before.rgb);
  const { shadow, found, things } = await shadowsOf(before.rgb, painted, hiddenIn(before), isCancelled);
  if (!found) throw new Unusable("No shadow was found beside what is painted: paint it.");
  const where = boundingBox(shadow);
  const box = [where.left, where.top, where.right - where.left, where.bottom - where.top];
  return { png: await pngOf(shadow.crop(where)), box, found, things };
}

/** A mask as a PNG, white on black. */
function pngOf(mask) {
  const white = new Grid(new Uint8Array(3 * mask.data.length), mask.width, mask.height, 3);
  for (let i = 0; i < white.data.length; i++) white.data[i] = 255 * mask.data[Math.floor(i / 3)];
  return blobOf(pixelsOf(white, null), "image/png");
}

/** The photo after a completion and those that it was made on; of 0 its own pixels, which are not to be changed. */
function after({ rgb, alpha, completions }, number) {
  const chain = [];
  for (let at = number; at; at = completions[at - 1].onto) chain.unshift(completions[at - 1]);
  if (!chain.length) return { rgb, alpha };
  const layers = { rgb: rgb.copy(), alpha: alpha?.copy() ?? null };
  for (const one of chain) {
    layers.rgb.put(one.rgb, one.where);
    if (one.alpha) layers.alpha.put(one.alpha, one.where);
  }
  return layers;
}

/** The pixels that a completion changed, as a PNG of its box, transparent elsewhere; all of it where alpha was completed. */
export function picture(photo, number) {
  const kept = get(photo);
  const { rgb, alpha, changed, where } = kept.completions[number - 1];
  const below = after(kept, number).alpha?.crop(where);
  const opacity = alpha ?? new Grid(changed.data.map((one, i) => one * (below ? below.data[i] : 255)), rgb.width, rgb.height);
  return blobOf(pixelsOf(rgb, opacity), "image/png");
}

/** The completed photo: {name, blob}, a JPEG of a JPEG, else a PNG. */
export async function file(photo, number) {
  const kept = get(photo);
  const { rgb, alpha } = after(kept, number);
  const [, stem, suffix] = kept.name.match(/^(.*?)(\.\w+)?$/s);
  const ending = kept.isJpeg ? (/^\.jpe?g$/i.test(suffix) ? suffix : ".jpg") : ".png";
  const blob = await blobOf(pixelsOf(rgb, alpha), kept.isJpeg ? "image/jpeg" : "image/png");
  return { name: `${stem}.completed${ending}`, blob };
}
