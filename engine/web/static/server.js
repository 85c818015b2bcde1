// What the page asks, done in this browser: this file is in place of the one of engine-serve's page that asks a server. No
// photo leaves the machine.

/** What cannot be done; the message is for people, the status as engine-serve's. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What there is here: see the elements of the page that need something. */
export const offers = ["browser"];

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
const asked = new Map(); // {resolve, reject, onStep} by number
let number = 0;

worker.addEventListener("message", ({ data: { id, step, result, refused } }) => {
  const { resolve, reject, onStep } = asked.get(id);
  if (step) {
    onStep(step);
    return;
  }
  asked.delete(id);
  if (!refused) resolve(result);
  else if (refused.cancelled) reject(new DOMException("", "AbortError"));
  else reject(new Refused(refused.status, refused.message));
});

let stopped = null; // why the worker does nothing any more

worker.addEventListener("error", ({ message }) => {
  stopped = new Refused(0, `What completes photos has stopped (${message ?? "it could not be loaded"}); reload the page.`);
  for (const { reject } of asked.values()) reject(stopped);
  asked.clear();
});

/** Has the worker do something: its result. */
function ask(task, args, { signal, onStep } = {}) {
  const id = ++number;
  return new Promise((resolve, reject) => {
    if (stopped) throw stopped;
    signal?.throwIfAborted();
    asked.set(id, { resolve, reject, onStep });
    signal?.addEventListener("abort", () => worker.postMessage({ id, cancel: true }));
    worker.postMessage({ id, task, args });
  });
}

/** Fetches the network and starts what runs it; from then on nothing is fetched any more. */
export async function letIn() {
  const said = document.getElementById("runtime");
  try {
    said.textContent = `The network runs ${await ask("load", [])}.`;
  } catch (error) {
    said.textContent = "The network could not be loaded.";
    throw error;
  }
}

/** Decodes a photo's file: {photo, width, height}. */
export const sendPhoto = (file) => ask("add", [file]);

/** Forgets a photo. */
export function dropPhoto(photo) {
  ask("drop", [photo]);
}

/** Completes a mask on top of a completion: {completion, box, widened, replaces, warnings}; there is one variant. */
export function complete(photo, onto, { x, y, png }, variant, signal, onStep) {
  return ask("complete", [photo, onto, { x, y, png }], { signal, onStep });
}

/**
 * The mask of the thing in a box of the photo as a completion shows it: a PNG of the box. `outline` is one, too, of where
 * alone it is looked for, or undefined.
 */
export const select = (photo, onto, box, outline, signal) => ask("select", [photo, onto, box, outline], { signal });

/** The shadows beside what is white in a mask's box: {png: a mask, its box, of how many things one was found, things}. */
export const shadow = (photo, onto, { x, y, png }, signal) => ask("shadow", [photo, onto, { x, y, png }], { signal });

/** Only for photos that the browser cannot show itself, which it cannot complete here either. */
export async function preview() {
  throw new Refused(415, "This browser cannot show the photo.");
}

/** A completion's region, and the completed photo's file: {name, blob}. */
export const picture = (photo, completion) => ask("picture", [photo, completion]);
export const completedFile = (photo, completion) => ask("file", [photo, completion]);
