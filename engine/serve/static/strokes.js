// What is painted: strokes in the photo's pixels, drawn on screen and turned into the mask that the server takes.
// A stroke is {tool: "brush" | "eraser" | "avoid", size, points: [{x, y}, ...]} or {tool: "rectangle", x, y, width,
// height} or {tool: "select", x, y, width, height, shape}, which has its shape once the thing in its box is found; those
// of "avoid" are where texture is not taken from, and the eraser takes away from these and the hole.

/** Draws strokes on a 2D context whose transform maps the photo's pixels; the eraser takes away. */
export function drawStrokes(context, strokes, ink, avoidedInk = ink) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.strokeStyle = context.fillStyle = stroke.tool === "avoid" ? avoidedInk : ink;
    context.globalCompositeOperation = stroke.tool === "eraser" ? "destination-out" : "source-over";
    if (stroke.tool === "rectangle") {
      context.fillRect(stroke.x, stroke.y, stroke.width, stroke.height);
      continue;
    }
    if (stroke.tool === "select") {
      if (stroke.shape) context.drawImage(inInk(stroke.shape, context.fillStyle), stroke.x, stroke.y);
      else drawBox(context, stroke);
      continue;
    }
    const [first, ...others] = stroke.points;
    context.beginPath();
    context.arc(first.x, first.y, stroke.size / 2, 0, 2 * Math.PI); // a line without length would draw nothing
    context.fill();
    context.lineWidth = stroke.size;
    context.beginPath();
    context.moveTo(first.x, first.y);
    for (const { x, y } of others) context.lineTo(x, y);
    context.stroke();
  }
  context.globalCompositeOperation = "source-over";
}

/** A shape in a colour, which it keeps until it is drawn in another. */
function inInk(shape, ink) {
  const context = shape.getContext("2d");
  if (context.fillStyle === ink) return shape;
  context.globalCompositeOperation = "source-in";
  context.fillStyle = ink;
  context.fillRect(0, 0, shape.width, shape.height);
  return shape;
}

/** The outline of a box in which something is to be found, as wide on the screen at every zoom. */
function drawBox(context, { x, y, width, height }) {
  const pixel = devicePixelRatio / context.getTransform().a; // of the screen
  context.save();
  context.lineJoin = "miter";
  context.lineWidth = 4 * pixel;
  context.strokeStyle = "black";
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2 * pixel;
  context.strokeStyle = "white";
  context.setLineDash([7 * pixel, 5 * pixel]);
  context.strokeRect(x, y, width, height);
  context.restore();
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

/** The box between two corners, in whole pixels within the photo. */
export function boxBetween(from, to, photo) {
  const x = clamp(Math.round(Math.min(from.x, to.x)), 0, photo.width);
  const y = clamp(Math.round(Math.min(from.y, to.y)), 0, photo.height);
  const right = clamp(Math.round(Math.max(from.x, to.x)), 0, photo.width);
  const bottom = clamp(Math.round(Math.max(from.y, to.y)), 0, photo.height);
  return { x, y, width: right - x, height: bottom - y };
}

/** Whether strokes add anything. */
export const addSomething = (strokes) => strokes.some((stroke) => stroke.tool !== "eraser");

/**
 * The masks of the strokes of a hole and of what is to be avoided: their box, {x, y, width, height}, and two PNGs of it,
 * {png, avoid}, white on black. Null if there is no hole; without `avoid` if there is nothing to be avoided.
 */
export async function masksOf(hole, avoided, photo) {
  if (!boxOf(hole, photo)) return null;
  const avoids = boxOf(avoided, photo) !== null;
  const box = boxOf(avoids ? [...hole, ...avoided] : hole, photo);
  return { ...box, png: await pngOf(hole, box), avoid: avoids ? await pngOf(avoided, box) : null };
}

/** A box of what strokes paint, as a PNG, white on black. */
function pngOf(strokes, box) {
  const painted = canvasOf(box);
  const context = painted.getContext("2d");
  context.translate(-box.x, -box.y);
  drawStrokes(context, strokes, "white");
  const mask = canvasOf(box);
  const opaque = mask.getContext("2d");
  opaque.fillRect(0, 0, box.width, box.height);
  opaque.drawImage(painted, 0, 0);
  return new Promise((resolve) => mask.toBlob(resolve, "image/png"));
}

/** Where the strokes that add something lie in the photo; null if that is nowhere. */
function boxOf(strokes, photo) {
  let [left, top, right, bottom] = [photo.width, photo.height, 0, 0];
  const include = (x, y, reach) => {
    left = Math.min(left, x - reach);
    top = Math.min(top, y - reach);
    right = Math.max(right, x + reach);
    bottom = Math.max(bottom, y + reach);
  };
  for (const stroke of strokes) {
    if (stroke.tool === "brush" || stroke.tool === "avoid") for (const { x, y } of stroke.points) include(x, y, stroke.size / 2);
    if (stroke.tool === "rectangle" || stroke.tool === "select") {
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

function canvasOf({ width, height }) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
