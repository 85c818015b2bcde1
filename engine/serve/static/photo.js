// One photo: its file, the server's copy of it, and what was done to it. A server that has dropped its copy meanwhile is
// sent the file again and repeats the completions, which come out the same.

import { History } from "./history.js";
import { masksOf, outlined, shapeOf } from "./masks.js";
import { say } from "./messages.js";
import * as server from "./server.js";

export class Photo {
  history = new History();
  width = 0; // in pixels, once it was sent
  height = 0;
  #kept = null; // the server's name for it

  constructor(file) {
    this.file = file;
  }

  /** Sends the photo, and gives the picture of it to show, an ImageBitmap. */
  async open() {
    const [shown] = await Promise.all([createImageBitmap(this.file).catch(() => null), this.#send()]);
    const same = shown?.width === this.width && shown?.height === this.height;
    return same ? shown : createImageBitmap(await server.preview(this.#kept));
  }

  async #send() {
    const { photo, width, height } = await server.sendPhoto(this.file);
    this.#kept = photo;
    Object.assign(this, { width, height });
  }

  /** Lets the server forget it. */
  drop() {
    if (this.#kept) server.dropPhoto(this.#kept);
    this.#kept = null;
  }

  /** What is painted, as a hole to be completed. */
  get newHole() {
    return { strokes: this.history.hole, below: this.history.completions.at(-1), tried: 0 };
  }

  /** The number of the completion that shows, 0 if it is the photo as it was. */
  get #latest() {
    return this.history.completions.at(-1)?.number ?? 0;
  }

  /**
   * Completes a hole, {strokes, below: the completion under it or nothing, tried: how many times it was completed}: what
   * the server says of it, and which variant it is. `onStep` is told what the network does next.
   */
  async complete(hole, signal, onStep) {
    const masks = await masksOf(hole.strokes, this.history.areas, this);
    if (!masks) throw new server.Refused(0, "Nothing is painted on the photo; paint over what should go.");
    const variant = hole.tried;
    const [done, region] = await this.#ask(async (kept) => {
      const done = await server.complete(kept, numberUnder(hole), masks, variant, signal, onStep);
      return [done, await server.picture(kept, done.completion)];
    }, signal);
    const [x, y] = done.box;
    const { completion: number, replaces } = done;
    const picture = await createImageBitmap(region);
    this.history.push({ completion: { number, x, y, picture, replaces, hole, masks, variant } });
    hole.tried += 1;
    return { ...done, variant };
  }

  /** Paints over the thing in a box or an outline, which the server finds. */
  async select({ tool, subtract, points, ...drawn }, signal) {
    const searched = points ? await outlined(points, this) : drawn;
    if (!searched) throw new server.Refused(0, "The outline encloses nothing of the photo; draw it around the thing.");
    const { png, ...box } = searched;
    const mask = await this.#ask((kept) => server.select(kept, this.#latest, box, png, signal), signal);
    this.history.push({ stroke: { tool, subtract, ...box, shape: await shapeOf(mask) } });
  }

  /** The completed photo's file: {name, blob}. */
  completedFile(signal) {
    return this.#ask((kept) => server.completedFile(kept, this.#latest), signal);
  }

  /** What `request(name)` gives; if the server has dropped the photo meanwhile, after it was sent again. */
  async #ask(request, signal) {
    try {
      return await request(this.#kept);
    } catch (error) {
      if (error.status !== 404) throw error;
      await this.#sendAgain(signal);
      return request(this.#kept);
    }
  }

  async #sendAgain(signal) {
    say("Sending the photo again…");
    await this.#send();
    for (const completion of this.history.everyCompletion) {
      const { hole, masks, variant } = completion;
      const done = await server.complete(this.#kept, numberUnder(hole), masks, variant, signal, () => {});
      completion.number = done.completion;
    }
  }
}

/** The number of the completion under a hole, which it has once the photo has been sent again, too. */
const numberUnder = (hole) => hole.below?.number ?? 0;
