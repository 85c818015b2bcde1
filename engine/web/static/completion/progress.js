// How far a completion is: the pixels of windows that the network has run on, of those that it will, and the time left.

export class Cancelled extends Error {}

/** Lets the worker hear whether it is to go on. Cancelled if it is not. */
export async function hear(isCancelled) {
  await new Promise((resolve) => setTimeout(resolve));
  if (isCancelled()) throw new Cancelled();
}

let rate = null; // milliseconds for a pixel, from the windows that were run before

export class Progress {
  #done = 0;

  /** `onStep` is given {scale, done, windows, left: seconds or null} before each window; `isCancelled()` ends the completion. */
  constructor(onStep, isCancelled, all) {
    Object.assign(this, { onStep, isCancelled, all });
  }

  /** Says what comes next, and lets the worker hear whether it is to go on. */
  async next(scale, done, windows) {
    const left = rate === null ? null : (Math.max(this.all - this.#done, 0) * rate) / 1000;
    this.onStep({ scale, done, windows, left });
    await hear(this.isCancelled);
  }

  /** Notes that a window of so many pixels took so long. */
  ran(pixels, milliseconds) {
    this.#done += pixels;
    rate = rate === null ? milliseconds / pixels : (rate + milliseconds / pixels) / 2;
  }
}
