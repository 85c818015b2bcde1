// What the page works on: the photos, which of them shows and how, and the one task that runs.

import { History } from "./history.js";
import { complain, dismiss, say } from "./messages.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const nothing = new History();
const listeners = [];

export const stage = $("stage");
export const view = new View(stage, $("photo"), $("mask"));

export const desk = {
  photos: [], // of Photo
  photo: null, // the one that shows
  running: null, // what aborts the task that runs
  comparing: false, // before and after, with the slider
  looking: false, // at the photo as it was, while a key is held
  searched: null, // the box or outline in which a thing is being found
  get history() {
    return this.photo?.history ?? nothing;
  },
  get idle() {
    return this.photo !== null && this.running === null;
  },
};

/** Calls `listener()` whenever something on the desk has changed. */
export function whenChanged(listener) {
  listeners.push(listener);
}

export function changed() {
  for (const listener of listeners) listener();
}

/** Runs `task(signal)`, one at a time, until it ends or is cancelled; what goes wrong is shown. */
export async function run(task) {
  desk.running = new AbortController();
  dismiss();
  changed();
  try {
    await task(desk.running.signal);
  } catch (error) {
    if (error.name === "AbortError") say("Cancelled.");
    else complain(error);
  } finally {
    desk.running = null;
    changed();
  }
}
