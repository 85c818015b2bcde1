// Completing holes, and taking the results away.

import { desk, run } from "./desk.js";
import { say, sayCompleted, sayStep } from "./messages.js";

const $ = (id) => document.getElementById(id);

async function fill(hole) {
  await run(async (signal) => {
    say("Completing…");
    const began = performance.now();
    const done = await desk.photo.complete(hole, signal, sayStep);
    sayCompleted(done, performance.now() - began);
  });
}

export async function complete() {
  if (!$("complete").disabled) await fill(desk.photo.newHole);
}

/** Shows the hole that was completed last with another texture. */
export async function another() {
  if (!$("another").disabled) await fill(desk.history.completions.at(-1).hole);
}

export async function download() {
  if ($("download").disabled) return;
  await run(async (signal) => {
    say("Writing the file…");
    const { name, blob } = await desk.photo.completedFile(signal);
    save(name, blob);
    say(`Saved as ${name}.`);
  });
}

/** Has the browser save a file. */
function save(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
