// What is painted: strokes in the photo's pixels, and how they are drawn.
//
// A stroke has a `tool`: "brush", "eraser" and those of areas have a size and points, [{x, y}, ...]; "rectangle" and
// "select" a box, x, y, width and height; "lasso" the points of an outline. "select" and "lasso" have a `shape` in a box
// once the thing there is found, and so have "shadow" and "grown", which is in place of all that was painted before it. The
// eraser, and strokes that `subtract`, take away from all.

/** Tools that paint where alone texture is taken from, and where it is not. */
export const AREAS = ["sample", "avoid"];

/** Whether a stroke takes away. */
export const erases = (stroke) => stroke.tool === "eraser" || Boolean(stroke.subtract);

/** Whether strokes add anything. */
export const addSomething = (strokes) => strokes.some((stroke) => !erases(stroke));

/** Draws strokes on a 2D context whose transform maps the photo's pixels, in the ink of their area if that has one. */
export function drawStrokes(context, strokes, ink, inks = {}) {
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.strokeStyle = context.fillStyle = inks[stroke.tool] ?? ink;
    context.globalCompositeOperation = erases(stroke) ? "destination-out" : "source-over";
    if (stroke.shape) context.drawImage(inInk(stroke.shape, context.fillStyle), stroke.x, stroke.y);
    else if (stroke.tool === "rectangle") context.fillRect(stroke.x, stroke.y, stroke.width, stroke.height);
    else if (stroke.tool === "select") drawOutline(context, cornersOf(stroke));
    else if (stroke.tool === "lasso") drawOutline(context, stroke.points);
    else drawLine(context, stroke);
  }
  context.globalCompositeOperation = "source-over";
}

function drawLine(context, { size, points }) {
  const [{ x, y }] = points;
  context.beginPath();
  context.arc(x, y, size / 2, 0, 2 * Math.PI); // a line without length would draw nothing
  context.fill();
  context.lineWidth = size;
  follow(context, points);
  context.stroke();
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

const cornersOf = ({ x, y, width, height }) =>
  [{ x, y }, { x: x + width, y }, { x: x + width, y: y + height }, { x, y: y + height }];

/** The outline in which something is to be found, as wide on the screen at every zoom. */
function drawOutline(context, points) {
  const pixel = devicePixelRatio / context.getTransform().a; // of the screen
  context.save();
  context.globalCompositeOperation = "source-over";
  context.lineJoin = "miter";
  follow(context, points);
  context.closePath();
  context.lineWidth = 4 * pixel;
  context.strokeStyle = "black";
  context.stroke();
  context.lineWidth = 2 * pixel;
  context.strokeStyle = "white";
  context.setLineDash([7 * pixel, 5 * pixel]);
  context.stroke();
  context.restore();
}

/** Begins a path through points. */
export function follow(context, [first, ...others]) {
  context.beginPath();
  context.moveTo(first.x, first.y);
  for (const { x, y } of others) context.lineTo(x, y);
}

/** The box between two corners, in whole pixels within the photo. */
export function boxBetween(from, to, photo) {
  const x = clamp(Math.round(Math.min(from.x, to.x)), 0, photo.width);
  const y = clamp(Math.round(Math.min(from.y, to.y)), 0, photo.height);
  const right = clamp(Math.round(Math.max(from.x, to.x)), 0, photo.width);
  const bottom = clamp(Math.round(Math.max(from.y, to.y)), 0, photo.height);
  return { x, y, width: right - x, height: bottom - y };
}

/** An empty canvas of this size. */
export function canvasOf({ width, height }) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
