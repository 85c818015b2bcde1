// What is painted: strokes in the photo's pixels, and how they are drawn.
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

/** An empty canvas of this size. */
export function canvasOf({ width, height }) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
