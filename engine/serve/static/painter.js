// The tools: what pointers and keys paint, and the ring that shows where.

import { boxBetween, clamp } from "./strokes.js";

export class Painter {
  tool = "brush";
  size = 40; // of the brush, in the photo's pixels
  stroke = null; // that is being painted
  subtract = false; // whether rectangles and selections take away
  spaceHeld = false;
  place = null; // where the ring is on the stage

  /** `onStroke(stroke)` takes finished strokes and boxes; `mayPaint()` says whether painting is possible now. */
  constructor(view, ring, onStroke, mayPaint) {
    Object.assign(this, { view, ring, onStroke, mayPaint });
  }

  pans() {
    return this.tool === "hand" || this.spaceHeld || !this.mayPaint();
  }

  /** True if the tool draws a box from corner to corner. */
  get drawsBoxes() {
    return this.tool === "rectangle" || this.tool === "select";
  }

  /** True if it draws around something, and not over it with the brush. */
  get drawsAround() {
    return this.drawsBoxes || this.tool === "lasso";
  }

  /** Begins a stroke; `otherwise` makes it add where it would take away, and the other way round. */
  start(point, otherwise = false) {
    this.corner = point;
    this.takesAway = this.subtract !== otherwise;
    if (this.drawsBoxes) this.stroke = this.boxTo(point);
    else if (this.tool === "lasso") this.stroke = { tool: this.tool, subtract: this.takesAway, points: [point] };
    else this.stroke = { tool: this.tool, size: this.size, points: [point] };
    this.view.redraw();
  }

  boxTo(point) {
    return { tool: this.tool, subtract: this.takesAway, ...boxBetween(this.corner, point, this.view.bitmap) };
  }

  extend(point) {
    if (!this.stroke) return;
    if (this.drawsBoxes) this.stroke = this.boxTo(point);
    else this.stroke.points.push(point);
    this.view.redraw();
  }

  finish() {
    const stroke = this.stroke;
    this.stroke = null;
    if (stroke && isSomething(stroke)) this.onStroke(stroke);
    this.view.redraw();
  }

  abandon() {
    this.stroke = null;
    this.view.redraw();
  }

  /** Shows the brush's ring around a place on the stage, which is where it was if none is given; null hides it. */
  hover(place = this.place) {
    this.place = place;
    const round = !this.drawsAround && this.tool !== "hand";
    this.ring.hidden = !place || this.pans() || (!round && !this.key);
    if (this.ring.hidden) return;
    const side = round ? this.size * this.view.scale : 8;
    this.ring.style.width = this.ring.style.height = `${side}px`;
    this.ring.style.transform = `translate(${place.x - side / 2}px, ${place.y - side / 2}px)`;
    this.ring.classList.toggle("cross", !round);
  }

  /** Moves the keyboard's brush by so many of its steps; where it is then, in the photo's pixels. */
  move(dx, dy) {
    const { width, height } = this.view.bitmap;
    const step = Math.max(this.size / 4, 1);
    const from = this.key ?? { x: width / 2, y: height / 2 };
    this.key = { x: clamp(from.x + dx * step, 0, width), y: clamp(from.y + dy * step, 0, height) };
    this.view.reveal(this.key);
    const { left, top, scale } = this.view;
    this.hover({ x: left + this.key.x * scale, y: top + this.key.y * scale });
    if (this.stroke && this.drawsAround) this.extend(this.key);
    return this.key;
  }

  /** Paints where the keyboard's brush is: a dot, or the begin or end of what is drawn around something. True if begun. */
  press() {
    if (this.pans()) return false;
    this.key ?? this.move(0, 0);
    if (this.stroke) {
      this.finish();
      return false;
    }
    this.start(this.key);
    if (!this.drawsAround) this.finish();
    return this.drawsAround;
  }
}

/** Whether a stroke is more than a click with a tool that draws around something. */
function isSomething({ tool, points, width, height }) {
  return tool === "lasso" ? points.length > 2 : points || (width && height);
}
