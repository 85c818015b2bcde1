// The server's API as the page uses it: a photo goes up once, then masks, and back come the completed regions.

import { askForToken, withToken } from "./token.js";

/** What the server refuses, or that it is not there (status 0); the message is for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What there is with this server: see the elements of the page that need something. */
export const offers = ["server", "texture"];

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, withToken(options));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer. Is engine-serve still running?");
  }
  if (response.ok) return response;
  if (response.status === 401 && (await askForToken())) return ask(path, options);
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Refused(response.status, detail);
}

/** Asks for the token now if there has to be one, and not once a photo is on its way. */
export const letIn = () => ask("model");

/** Sends a photo's file: {photo, width, height, format}. */
export async function sendPhoto(file) {
  const query = new URLSearchParams({ name: file.name });
  return (await ask(`photos?${query}`, { method: "POST", body: file })).json();
}

/** Forgets a photo, also while the page is being closed. */
export function dropPhoto(photo) {
  fetch(`photos/${photo}`, withToken({ method: "DELETE", keepalive: true })).catch(() => {});
}

/**
 * Completes masks on top of a completion, as one of several variants: {completion, box, widened, seconds, warnings}.
 * `onStep` is given what the network does next, {scale, done, windows}; aborting `signal` cancels it.
 */
export async function complete(photo, onto, masks, variant, signal, onStep) {
  const { x, y, width, height, png, areas } = masks;
  const query = new URLSearchParams({ x, y, width, height, onto, variant });
  const body = Object.keys(areas).length ? formOf({ mask: png, ...areas }) : png;
  const response = await ask(`photos/${photo}/completions?${query}`, { method: "POST", body, signal });
  for await (const { kind, data } of events(response.body)) {
    if (kind === "completed") return data;
    if (kind === "error") throw new Refused(data.status, data.detail);
    onStep(data);
  }
  throw new Refused(0, "The connection ended before the completion did.");
}

/**
 * The mask of the thing in a box of the photo as a completion shows it: a PNG of the box. `outline` is one, too, of where
 * alone it is looked for, or undefined.
 */
export async function select(photo, onto, { x, y, width, height }, outline, signal) {
  const query = new URLSearchParams({ x, y, width, height, onto });
  return (await ask(`photos/${photo}/select?${query}`, { method: "POST", body: outline, signal })).blob();
}

/**
 * The shadows beside what is white in a mask's box, on the photo as a completion shows it: {png: a mask, its box, of how many
 * things one was found, things}.
 */
export async function shadow(photo, onto, { x, y, width, height, png }, signal) {
  const query = new URLSearchParams({ x, y, width, height, onto });
  const response = await ask(`photos/${photo}/shadow?${query}`, { method: "POST", body: png, signal });
  return { ...JSON.parse(response.headers.get("X-Shadow")), png: await response.blob() };
}

function formOf(files) {
  const form = new FormData();
  for (const [name, file] of Object.entries(files)) form.append(name, file);
  return form;
}

/** The photo as a picture that every browser can show, a completion's region, and the completed photo's file. */
export const preview = async (photo) => (await ask(`photos/${photo}/preview`)).blob();
export const picture = async (photo, number) => (await ask(`photos/${photo}/completions/${number}/picture`)).blob();

export async function completedFile(photo, number) {
  const response = await ask(`photos/${photo}/completions/${number}/file`);
  const name = response.headers.get("Content-Disposition").split("filename*=UTF-8''")[1];
  return { name: decodeURIComponent(name), blob: await response.blob() };
}

/** Server-sent events of an answer to a POST, for which browsers have no reader of their own. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, kind, data] = part.match(/^event: (.*)\ndata: (.*)$/);
      yield { kind, data: JSON.parse(data) };
    }
  }
}
