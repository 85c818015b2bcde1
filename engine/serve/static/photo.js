// One photo: its file, the server's copy of it, and what was done to it. A server that has dropped its copy meanwhile is
// sent the file again and repeats the completions, which come out the same.

import { History } from "./history.js";
import { masksOf, outlined, pngOfStroke, shapeOf, unionOf } from "./masks.js";
import { say } from "./messages.js";
import * as server from "./server.js";
import { addSomething } from "./strokes.js";

export class Photo {
  error = ""; // of what was tried last with it
  width = 0; // in pixels, once it was sent
  height = 0;
  #kept = null; // the server's name for it
  #saved = null; // the completion of which the file was saved
  #changes = 0; // beside those of the history

  /** `path` is its place in the folder that it was chosen with; `kept` is what it was when that was asked for. */
  constructor(file, path = file.name, kept = null) {
    Object.assign(this, { file, path, history: new History(kept?.history) });
    if (kept) [this.width, this.height, this.error, this.#saved] = [kept.width, kept.height, kept.error, kept.saved];
  }

  /** All that it is beside its file, with Blobs, bitmaps and canvases in it. */
  get kept() {
    const { width, height, error } = this;
    return { width, height, error, saved: this.#saved, history: this.history.kept };
  }

  /** Another number after each change. */
  get version() {
    return this.history.version + this.#changes;
  }

  get folder() {
    return this.path.slice(0, this.path.lastIndexOf("/") + 1);
  }

  /** The name at which engine-infer looks for a mask, beside the photo. */
  get maskName() {
    return `${this.path.replace(/\.\w+$/, "")}.mask.png`;
  }

  /** Whether something is painted that can be completed. */
  get painted() {
    return addSomething(this.history.hole);
  }

  get completed() {
    return this.history.completions.length > 0;
  }

  /** "failed", "painted", "completed", or "" if nothing was done to it. */
  get state() {
    return this.error ? "failed" : this.painted ? "painted" : this.completed ? "completed" : "";
  }

  /** Whether closing it would lose work. */
  get unsaved() {
    return this.painted || (this.completed && this.history.completions.at(-1) !== this.#saved);
  }

  /** Notes that the file of what shows was saved. */
  markSaved() {
    this.#saved = this.history.completions.at(-1);
    this.#changes += 1;
  }

  /** The picture to show, an ImageBitmap; a photo that was never sent is sent to see whether it can be read. */
  async open() {
    const sent = this.width ? null : this.#send();
    const [shown] = await Promise.all([createImageBitmap(this.file).catch(() => null), sent, this.wake()]);
    if (shown?.width === this.width && shown?.height === this.height) return shown;
    shown?.close();
    return createImageBitmap(await this.#ask((kept) => server.preview(kept)));
  }

  /** Decodes what is needed to draw and complete it. */
  async wake() {
    for (const completion of this.history.everyCompletion) completion.picture ??= await createImageBitmap(completion.region);
    for (const stroke of this.history.everyStroke) if (stroke.png) stroke.shape ??= await shapeOf(stroke.png);
  }

  /** Lets go of what can be decoded again, so that many photos take little memory. */
  async rest() {
    for (const completion of this.history.everyCompletion) {
      completion.picture?.close();
      completion.picture = null;
    }
    await this.encode();
    for (const stroke of this.history.everyStroke) if (stroke.png) stroke.shape = null;
  }

  /** Makes PNGs of all shapes, which can be kept. */
  async encode() {
    for (const stroke of this.history.everyStroke) if (stroke.shape) stroke.png ??= await pngOfStroke(stroke);
  }

  async #send() {
    const { photo, width, height } = await server.sendPhoto(this.file);
    this.#kept = photo;
    this.#changes += this.width ? 0 : 1;
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
    this.history.push({ completion: { number, x, y, region, picture, replaces, hole, masks, variant } });
    hole.tried += 1;
    this.error = "";
    return { ...done, variant };
  }

  /** Paints over the thing in a box or an outline, which the server finds. */
  async select({ tool, subtract, points, ...drawn }, signal) {
    const searched = points ? await outlined(points, this) : drawn;
    if (!searched) throw new server.Refused(0, "The outline encloses nothing of the photo; draw it around the thing.");
    const { png, ...box } = searched;
    const mask = await this.#ask((kept) => server.select(kept, this.#latest, box, png, signal), signal);
    this.history.push({ stroke: { tool, subtract, ...box, png: mask, shape: await shapeOf(mask) } });
  }

  /** Paints over the shadows beside what is painted, which the server finds: {found: of how many things, things}. */
  async addShadow(signal) {
    const masks = await masksOf(this.history.hole, {}, this);
    if (!masks) throw new server.Refused(0, "Nothing is painted on the photo; paint over the thing, and then find its shadow.");
    const { box, png, ...told } = await this.#ask((kept) => server.shadow(kept, this.#latest, masks, signal), signal);
    const [x, y, width, height] = box;
    this.history.push({ stroke: { tool: "shadow", x, y, width, height, png, shape: await shapeOf(png) } });
    return told;
  }

  /** The completed photo's file: {name, blob}. */
  completedFile(signal) {
    return this.#ask((kept) => server.completedFile(kept, this.#latest), signal);
  }

  /** The mask of all that was completed: a PNG of the photo's size. */
  mask() {
    return unionOf(this.history.completions.map(({ masks }) => masks), this);
  }

  /** What `request(name)` gives; if the server has dropped the photo meanwhile, after it was sent again. */
  async #ask(request, signal) {
    if (!this.#kept) await this.#sendAgain(signal);
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
