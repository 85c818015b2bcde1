// What is painted: strokes in the photo's pixels, drawn on screen and turned into the mask that the server takes.
// A stroke is {tool: "brush" | "eraser", size, points: [{x, y}, ...]} or {tool: "rectangle", x, y, width, height}.

/** Draws strokes on a 2D context whose transform maps the photo's pixels; the eraser takes away. */
export function drawStrokes(context, strokes, ink) {
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = context.fillStyle = ink;
  for (const stroke of strokes) {
    context.globalCompositeOperation = stroke.tool === "eraser" ? "destination-out" : "source-over";
    if (stroke.tool === "rectangle") {
      context.fillRect(stroke.x, stroke.y, stroke.width, stroke.height);
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

/** The rectangle between two corners, in whole pixels within the photo. */
export function rectangle(from, to, photo) {
  const x = clamp(Math.round(Math.min(from.x, to.x)), 0, photo.width);
  const y = clamp(Math.round(Math.min(from.y, to.y)), 0, photo.height);
  const right = clamp(Math.round(Math.max(from.x, to.x)), 0, photo.width);
  const bottom = clamp(Math.round(Math.max(from.y, to.y)), 0, photo.height);
  return { tool: "rectangle", x, y, width: right - x, height: bottom - y };
}

/** The mask of the strokes: the box that they paint in, as a PNG, white on black. Null if that is nothing. */
export async function maskOf(strokes, photo) {
  const box = boxOf(strokes, photo);
  if (!box) return null;
  const painted = canvasOf(box);
  const context = painted.getContext("2d");
  context.translate(-box.x, -box.y);
  drawStrokes(context, strokes, "white");
  const mask = canvasOf(box);
  const opaque = mask.getContext("2d");
  opaque.fillRect(0, 0, box.width, box.height);
  opaque.drawImage(painted, 0, 0);
  return { ...box, png: await new Promise((resolve) => mask.toBlob(resolve, "image/png")) };
}

/** Where the strokes that add to the mask lie in the photo. */
function boxOf(strokes, photo) {
  let [left, top, right, bottom] = [photo.width, photo.height, 0, 0];
  const include = (x, y, reach) => {
    left = Math.min(left, x - reach);
    top = Math.min(top, y - reach);
    right = Math.max(right, x + reach);
    bottom = Math.max(bottom, y + reach);
  };
  for (const stroke of strokes) {
    if (stroke.tool === "brush") for (const { x, y } of stroke.points) include(x, y, stroke.size / 2);
    if (stroke.tool === "rectangle") {
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
