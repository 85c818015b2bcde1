// Completing holes, of the photo that shows and of all, and taking the results away.

import { changed, desk, run } from "./desk.js";
import { say, sayCompleted, sayStep } from "./messages.js";
import { Refused } from "./server.js";
import { zipOf } from "./zip.js";

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

/** Completes what is painted on every photo; those that fail keep what is painted, and say why. */
export async function completeAll() {
  if ($("complete-all").disabled) return;
  const painted = desk.photos.filter((photo) => photo.painted);
  await run(async (signal) => {
    const failed = await forEach(painted, "Completing", async (photo, where) => {
      await photo.complete(photo.newHole, signal, (step) => sayStep(step, where));
    });
    if (failed.length) throw failureOf(failed, painted);
    say(`Completed ${photosOf(painted)}.`);
  });
}

/** Calls `task(photo, where)` for each photo, with the place in the row; those that failed, which have an error then. */
async function forEach(photos, doing, task) {
  const failed = [];
  for (const [at, photo] of photos.entries()) {
    const where = `${photo.file.name}, ${at + 1} of ${photos.length}`;
    say(`${doing} ${where}…`);
    try {
      await photo.wake();
      await task(photo, where);
      photo.error = "";
    } catch (error) {
      if (error.name === "AbortError" || error.status === 0) throw error; // without a server, all others would fail, too
      photo.error = error.message;
      failed.push(photo);
    } finally {
      if (photo !== desk.photo) await photo.rest();
      changed();
    }
  }
  return failed;
}

/** What is said when some photos failed of those that were worked on. */
function failureOf(failed, all) {
  return new Refused(0, `${failed.length} of ${photosOf(all)} failed; the first is ${failed[0].path}: ${failed[0].error}`);
}

const photosOf = ({ length }) => (length === 1 ? "1 photo" : `${length} photos`);

export async function download() {
  if ($("download").disabled) return;
  await run(async (signal) => {
    say("Writing the file…");
    const { name, blob } = await desk.photo.completedFile(signal);
    save(name, blob);
    desk.photo.markSaved();
    say(`Saved as ${name}.`);
  });
}

/** Saves all results in one zip, each with the mask of what was completed beside it; without those that fail. */
export async function downloadAll() {
  if ($("download-all").disabled) return;
  const completed = desk.photos.filter((photo) => photo.completed);
  await run(async (signal) => {
    const files = [];
    const failed = await forEach(completed, "Writing", async (photo) => {
      const result = await photo.completedFile(signal);
      files.push({ name: photo.folder + result.name, blob: result.blob }, { name: photo.maskName, blob: await photo.mask() });
    });
    if (files.length) save("photos.completed.zip", await zipOf(withOwnNames(files)));
    for (const photo of completed) if (!failed.includes(photo)) photo.markSaved();
    if (failed.length) throw failureOf(failed, completed);
    say(`Saved ${photosOf(completed)} and their masks as photos.completed.zip.`);
  });
}

/** The files with a number in the names of those that another has already. */
function withOwnNames(files) {
  const taken = new Set();
  return files.map(({ name, blob }) => {
    let own = name;
    for (let number = 2; taken.has(own); number++) own = name.replace(/(?=(\.mask|\.completed)?\.\w+$)/, ` (${number})`);
    taken.add(own);
    return { name: own, blob };
  });
}

/** Has the browser save a file. */
function save(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
