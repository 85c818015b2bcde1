// How the photo lies on the stage: zoom and pan, and drawing it with its completions and what is painted.

import { clamp, drawStrokes } from "./strokes.js";

const INK = "#ff2d87"; // of the hole
const AREA_INKS = { sample: "#12a150", avoid: "#1d8bff" }; // of where texture is taken from, and where it is not
const MARGIN = 16; // of the stage around the whole photo, in CSS pixels
const LARGEST_FIT = 4; // small photos are shown enlarged at most so many times
const SMALL = 2048; // longest side of the reduced photo that is drawn instead of a large one when zoomed out
const THUMB = 44; // width of the divider's handle, as in style.css

/** What the view draws of a photo, given as an ImageBitmap: that, and a small one if it is large. */
export async function picturesOf(bitmap) {
  const longest = Math.max(bitmap.width, bitmap.height);
  const resizeWidth = Math.round((bitmap.width * SMALL) / longest);
  const reduced = longest > SMALL ? createImageBitmap(bitmap, { resizeWidth, resizeQuality: "high" }) : bitmap;
  return { bitmap, small: await reduced };
}

export class View {
  scale = 1; // CSS pixels for a pixel of the photo
  left = 0; // of the photo on the stage, in CSS pixels
  top = 0;

  constructor(stage, photoCanvas, maskCanvas) {
    this.stage = stage;
    this.photoCanvas = photoCanvas;
    this.maskCanvas = maskCanvas;
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  /** Shows a photo whole, of which `picturesOf` gives the pictures. `scene()` gives what else to draw: see `draw`. */
  show(pictures, scene) {
    this.clear();
    Object.assign(this, pictures, { scene });
    this.fit();
  }

  /** Shows nothing. */
  clear() {
    this.bitmap?.close();
    this.small?.close();
    this.bitmap = this.small = null;
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    for (const canvas of [this.photoCanvas, this.maskCanvas]) {
      canvas.width = clientWidth * devicePixelRatio;
      canvas.height = clientHeight * devicePixelRatio;
    }
    if (this.bitmap && this.fitted) this.fit();
    else this.redraw();
  }

  get fitScale() {
    const { clientWidth, clientHeight } = this.stage;
    const { width, height } = this.bitmap;
    return Math.min((clientWidth - 2 * MARGIN) / width, (clientHeight - 2 * MARGIN) / height, LARGEST_FIT);
  }

  fit() {
    this.scale = this.fitScale;
    this.left = (this.stage.clientWidth - this.scale * this.bitmap.width) / 2;
    this.top = (this.stage.clientHeight - this.scale * this.bitmap.height) / 2;
    this.fitted = true; // and stays so when the window changes its size
    this.redraw();
  }

  /** Zooms by a factor and keeps the photo's point under (x, y) of the stage in place; by default its middle. */
  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = clamp(this.scale * factor, this.fitScale / 2, 32);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.pan(0, 0);
  }

  /** Moves the photo, of which a part stays on the stage. */
  pan(dx, dy) {
    const keep = 40;
    this.left = clamp(this.left + dx, keep - this.scale * this.bitmap.width, this.stage.clientWidth - keep);
    this.top = clamp(this.top + dy, keep - this.scale * this.bitmap.height, this.stage.clientHeight - keep);
    this.fitted = false;
    this.redraw();
  }

  /** Moves the photo so that one of its points can be seen. */
  reveal({ x, y }) {
    const onStage = { x: this.left + x * this.scale, y: this.top + y * this.scale };
    const dx = clamp(onStage.x, MARGIN, this.stage.clientWidth - MARGIN) - onStage.x;
    const dy = clamp(onStage.y, MARGIN, this.stage.clientHeight - MARGIN) - onStage.y;
    if (dx || dy) this.pan(dx, dy);
  }

  /** The photo's pixel, with fractions, at (x, y) of the stage. */
  toPhoto(x, y) {
    return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale };
  }

  /** Draws before the next frame. */
  redraw() {
    if (!this.bitmap || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.bitmap) this.draw(this.scene());
    });
  }

  /** `split`: null, or the share of the stage on the left that shows the photo as it was; Infinity is all of it. */
  draw({ completions, strokes, split }) {
    const photo = this.start(this.photoCanvas);
    this.drawPhoto(photo);
    for (const { x, y, picture, replaces } of completions) {
      if (replaces) photo.clearRect(x, y, picture.width, picture.height); // it may be more transparent than the photo
      photo.drawImage(picture, x, y);
    }
    const mask = this.start(this.maskCanvas);
    if (split === null) {
      this.clipToPhoto(mask);
      drawStrokes(mask, strokes, INK, AREA_INKS);
      mask.restore();
    } else {
      this.drawBefore(photo, split);
    }
  }

  /** A cleared canvas's context, in the photo's pixels. */
  start(canvas) {
    const context = canvas.getContext("2d");
    const scale = this.scale * devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, this.left * devicePixelRatio, this.top * devicePixelRatio);
    context.imageSmoothingEnabled = scale < 4; // beyond, pixels are what one wants to see
    context.imageSmoothingQuality = "high";
    return context;
  }

  drawPhoto(context) {
    const { width, height } = this.bitmap;
    const reduced = this.scale * devicePixelRatio * width <= this.small.width;
    context.drawImage(reduced ? this.small : this.bitmap, 0, 0, width, height);
  }

  clipToPhoto(context) {
    context.save();
    context.beginPath();
    context.rect(0, 0, this.bitmap.width, this.bitmap.height);
    context.clip();
  }

  drawBefore(context, split) {
    const x = THUMB / 2 + split * (this.stage.clientWidth - THUMB);
    const { width, height } = this.bitmap;
    const until = this.toPhoto(x, 0).x;
    const before = [-1, -1, clamp(until, 0, width + 1) + 1, height + 2]; // beyond the photo's border, whose pixels are soft
    context.save();
    context.beginPath();
    context.rect(...before);
    context.clip();
    context.clearRect(...before);
    this.drawPhoto(context);
    context.restore();
  }
}
