// Masks: what is painted as the PNGs that the server takes, and PNGs that it gives as what is painted.

import { canvasOf, drawStrokes, erases, follow } from "./strokes.js";

/**
 * The masks of the strokes of a hole and of areas, {name: strokes}: their box, {x, y, width, height}, and PNGs of it,
 * {png, areas: {name: PNG}}, white on black. Null if there is no hole; without areas of which nothing is left.
 */
export async function masksOf(hole, areas, photo) {
  if (!boxOf(hole, photo)) return null;
  const drawn = Object.entries(areas).filter(([, strokes]) => boxOf(strokes, photo));
  const box = boxOf([...hole, ...drawn.flatMap(([, strokes]) => strokes)], photo);
  const png = await pngOf(paintedIn(hole, box));
  const left = drawn.map(([name, strokes]) => [name, paintedIn(strokes, box)]).filter(([, area]) => holdsAnything(area));
  const pngs = await Promise.all(left.map(async ([name, area]) => [name, await pngOf(area)]));
  return { ...box, png, areas: Object.fromEntries(pngs) };
}

/** A box of what strokes paint, as a canvas that is transparent elsewhere. */
function paintedIn(strokes, box) {
  const painted = canvasOf(box);
  const context = painted.getContext("2d");
  context.translate(-box.x, -box.y);
  drawStrokes(context, strokes, "white");
  return painted;
}

function holdsAnything(painted) {
  const { data } = painted.getContext("2d").getImageData(0, 0, painted.width, painted.height);
  for (let at = 3; at < data.length; at += 4) if (data[at] >= 128) return true;
  return false;
}

/** A PNG of what is painted white on a transparent canvas, white on black. */
function pngOf(painted) {
  const mask = canvasOf(painted);
  const opaque = mask.getContext("2d");
  opaque.fillRect(0, 0, mask.width, mask.height);
  opaque.drawImage(painted, 0, 0);
  return encoded(mask);
}

/** A canvas as a PNG. Error if the browser cannot make one so large. */
async function encoded(canvas) {
  const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!png) throw new Error(`This browser makes no mask of ${canvas.width} × ${canvas.height} pixels; another one may.`);
  return png;
}

/** Where the strokes that add something lie in the photo, and `margin` pixels around; null if that is nowhere. */
export function boxOf(strokes, photo, margin = 0) {
  let [left, top, right, bottom] = [photo.width, photo.height, 0, 0];
  const include = (x, y, reach) => {
    left = Math.min(left, x - reach - margin);
    top = Math.min(top, y - reach - margin);
    right = Math.max(right, x + reach + margin);
    bottom = Math.max(bottom, y + reach + margin);
  };
  for (const stroke of strokes.filter((stroke) => !erases(stroke))) {
    for (const { x, y } of stroke.points ?? []) include(x, y, stroke.size / 2);
    if (stroke.width) {
      include(stroke.x, stroke.y, 0);
      include(stroke.x + stroke.width, stroke.y + stroke.height, 0);
    }
  }
  const x = Math.max(Math.floor(left), 0);
  const y = Math.max(Math.floor(top), 0);
  const width = Math.min(Math.ceil(right), photo.width) - x;
  const height = Math.min(Math.ceil(bottom), photo.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/** The shape of a stroke, as a PNG of its box. */
export const pngOfStroke = (stroke) => pngOf(paintedIn([{ ...stroke, subtract: false }], stroke));

/** Masks joined: a PNG of the photo's size. */
export async function unionOf(masks, photo) {
  const union = canvasOf(photo);
  const context = union.getContext("2d");
  context.fillRect(0, 0, union.width, union.height);
  context.globalCompositeOperation = "lighten";
  for (const { x, y, png } of masks) {
    const picture = await createImageBitmap(png);
    context.drawImage(picture, x, y);
    picture.close();
  }
  return encoded(union);
}

/** What an outline encloses: its box in the photo, and a PNG of that; null if that is nothing. */
export async function outlined(points, photo) {
  const box = boxOf([{ points, size: 0 }], photo);
  if (!box) return null;
  const painted = canvasOf(box);
  const context = painted.getContext("2d");
  context.translate(-box.x, -box.y);
  context.fillStyle = "white";
  follow(context, points);
  context.fill();
  return { ...box, png: await pngOf(painted) };
}

/** What is white in a mask's PNG, as a canvas that is transparent elsewhere. */
export async function shapeOf(png) {
  const picture = await createImageBitmap(png);
  const shape = canvasOf(picture);
  const context = shape.getContext("2d");
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, shape.width, shape.height);
  for (let at = 0; at < pixels.data.length; at += 4) pixels.data[at + 3] = pixels.data[at];
  context.putImageData(pixels, 0, 0);
  return shape;
}
