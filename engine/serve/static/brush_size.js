// The brush's size, in the photo's pixels: a slider, which is logarithmic, as small brushes need the finer steps.

import { clamp } from "./strokes.js";

const SMALLEST = 2;

export class BrushSize {
  largest = 400;

  /** `output` is where the size is written. */
  constructor(painter, slider, output) {
    Object.assign(this, { painter, slider, output });
    slider.oninput = () => this.#take(SMALLEST * (this.largest / SMALLEST) ** (slider.value / 100));
  }

  set(size) {
    this.#take(clamp(size, SMALLEST, this.largest));
    this.slider.value = (100 * Math.log(this.painter.size / SMALLEST)) / Math.log(this.largest / SMALLEST);
  }

  /** Changes it by a factor, and at least by a pixel. */
  multiply(factor) {
    this.set(this.painter.size * factor + Math.sign(factor - 1));
  }

  #take(size) {
    this.painter.size = Math.round(size);
    this.slider.setAttribute("aria-valuetext", `${this.painter.size} pixels`);
    this.output.textContent = `${this.painter.size} px`;
    this.painter.hover();
  }
}
