// What runs beside the page, so that the page stays alive: the photos and the network. It takes {id, task, args}, and
// answers {id, result}, {id, refused: {status, message}}, and before that {id, step} as often as there is one; {id, cancel:
// true} ends a completion, or a search for shadows.

import * as album from "./album.js";
import { Unusable } from "./completion/completer.js";
import { Missing, Network } from "./completion/network.js";
import { Cancelled } from "./completion/progress.js";
import { Unreadable } from "./pictures.js";

const cancelled = new Set();
let network = null; // a promise of it

const load = () => {
  network ??= Network.load().catch((error) => {
    network = null; // to be tried again
    throw error;
  });
  return network;
};

const tasks = {
  load: async () => (await load()).runtime,
  add: (_, file) => album.add(file),
  drop: (_, photo) => album.drop(photo),
  complete: async (id, photo, onto, mask) => {
    const onStep = (step) => postMessage({ id, step });
    return album.completeHole(await load(), photo, onto, mask, onStep, () => cancelled.has(id));
  },
  select: (_, photo, onto, box, outline) => album.select(photo, onto, box, outline),
  shadow: (id, photo, onto, mask) => album.shadow(photo, onto, mask, () => cancelled.has(id)),
  picture: (_, photo, number) => album.picture(photo, number),
  file: (_, photo, number) => album.file(photo, number),
};

addEventListener("message", async ({ data: { id, task, args, cancel } }) => {
  if (cancel) {
    cancelled.add(id);
    return;
  }
  try {
    postMessage({ id, result: await tasks[task](id, ...args) });
  } catch (error) {
    postMessage({ id, refused: refusal(error) });
  } finally {
    cancelled.delete(id);
  }
});

function refusal(error) {
  if (error instanceof Cancelled) return { cancelled: true };
  if (error instanceof Unreadable) return { status: 415, message: error.message };
  if (error instanceof Missing) return { status: 0, message: error.message };
  if (error instanceof album.Gone) return { status: 404, message: error.message };
  if (error instanceof Unusable) return { status: 422, message: error.message };
  console.error(error);
  return { status: 500, message: `This browser could not do that (${error.message ?? error}). Another browser, or a smaller photo, may.` };
}
