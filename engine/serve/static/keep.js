// What is open survives a reload: the photos' files, what is painted and completed, and the steps to undo, in this browser
// alone. What a photo is made of is in three stores of IndexedDB: its file; the pictures that its steps have, each written
// once; and the steps, written anew at each change, with numbers in place of pictures.

import { desk } from "./desk.js";
import { complain } from "./messages.js";
import { Photo } from "./photo.js";
import { Refused } from "./server.js";

const STORES = ["photos", "pictures", "steps"];
const records = new WeakMap(); // by Photo: its key, how many numbers its pictures have taken, and the version that is kept
const written = new WeakMap(); // the number of a picture that is in the store, by its Blob

let database = null; // once this tab is the one that keeps
let queue = Promise.resolve(); // writes, one after the other
let waiting = false; // for one of them

/**
 * The photos that were open, as they were left, in order, and which of them showed: {photos, shown}. Error if another tab
 * has them: then this one keeps none.
 */
export async function restore() {
  if (!(await isFirstTab())) throw new Refused(0, "Another tab has the photos that this browser keeps; those of this tab are gone once it is reloaded.");
  try {
    database = await opened(indexedDB.open("glcic-engine", 1), (made) => {
      made.createObjectStore("photos", { autoIncrement: true });
      made.createObjectStore("pictures"); // by [photo, number]
      made.createObjectStore("steps"); // by photo
    });
  } catch (error) {
    throw notKept(error);
  }
  const transaction = database.transaction(STORES);
  const keys = await opened(transaction.objectStore("photos").getAllKeys());
  const photos = (await Promise.all(keys.map((key) => restored(transaction, key)))).filter(Boolean);
  const shown = photos.find((photo) => String(records.get(photo).key) === localStorage.getItem("shown"));
  return { photos, shown: shown ?? photos[0] };
}

async function restored(transaction, key) {
  const [{ file, path }, numbers, pictures, kept] = await Promise.all([
    opened(transaction.objectStore("photos").get(key)),
    opened(transaction.objectStore("pictures").getAllKeys(allOf(key))),
    opened(transaction.objectStore("pictures").getAll(allOf(key))),
    opened(transaction.objectStore("steps").get(key)),
  ]);
  if (!kept) return null; // it was closed, or the tab, before anything was written
  const byNumber = new Map(numbers.map(([, number], at) => [number, pictures[at]]));
  for (const [number, picture] of byNumber) written.set(picture, number);
  const photo = new Photo(file, path, withPictures(kept, byNumber));
  records.set(photo, { key, numbers: Math.max(0, ...byNumber.keys()), version: photo.version });
  return photo;
}

/** Whether no other tab of this page is open; where browsers do not tell, as they do over https and on this machine. */
async function isFirstTab() {
  if (!navigator.locks) return true;
  for (let attempt = 0; attempt < 5; attempt++) { // a page that is reloaded may hold it for a moment still
    const held = await new Promise((answer) => {
      navigator.locks.request("photos", { ifAvailable: true }, (lock) => {
        answer(lock !== null);
        return lock && new Promise(() => {}); // for as long as the tab is open
      });
    });
    if (held) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

/** Writes what has changed of the photos that are open, and takes away what was closed. */
export function keep() {
  if (!database || waiting) return;
  waiting = true;
  queue = queue.then(async () => {
    waiting = false;
    for (const photo of desk.photos) if (!isKept(photo)) await write(photo);
    localStorage.setItem("shown", records.get(desk.photo)?.key);
  }).catch(stop);
}

/** Whether all that was done to a photo is kept. */
const isKept = (photo) => records.get(photo)?.version === photo.version;

/** Ends once all is written that was changed until now. */
export const allWritten = () => queue;

/** Takes a photo out of what is kept. */
export function letGo(photo) {
  queue = queue.then(async () => {
    const { key } = records.get(photo) ?? {};
    if (!database || key === undefined) return;
    const transaction = database.transaction(STORES, "readwrite");
    transaction.objectStore("photos").delete(key);
    transaction.objectStore("pictures").delete(allOf(key));
    transaction.objectStore("steps").delete(key);
    await committed(transaction);
  }).catch(stop);
}

/** Whether a reload would lose work now. */
export function wouldLose() {
  return desk.photos.some((photo) => photo.unsaved && !isKept(photo));
}

async function write(photo) {
  await photo.encode();
  const { version } = photo;
  const transaction = database.transaction(STORES, "readwrite");
  const store = transaction.objectStore("photos");
  const record = records.get(photo) ?? { key: await opened(store.add({ file: photo.file, path: photo.path })), numbers: 0 };
  records.set(photo, record);
  const numberOf = (picture) => {
    if (!written.has(picture)) {
      record.numbers += 1;
      written.set(picture, record.numbers);
      transaction.objectStore("pictures").put(picture, [record.key, record.numbers]);
    }
    return written.get(picture);
  };
  transaction.objectStore("steps").put(withNumbers(photo.kept, numberOf, new Map()), record.key);
  await committed(transaction);
  record.version = version;
}

/** Keeps no more, and says so once. */
function stop(error) {
  if (!database) return;
  database = null;
  complain(notKept(error));
}

function notKept({ message }) {
  return new Refused(0, `This browser keeps no more (${message}); what is done from now on is gone after a reload.`);
}

/** A copy of a value with the numbers of the pictures in it, and without what can be made from these again. */
function withNumbers(value, numberOf, copies) {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof ImageBitmap || value instanceof HTMLCanvasElement) return null;
  if (copies.has(value)) return copies.get(value); // what was one object is one again
  const copy = value instanceof Blob ? { number: numberOf(value), isPicture: true } : Array.isArray(value) ? [] : {};
  copies.set(value, copy);
  if (value instanceof Blob) return copy;
  for (const [name, part] of Object.entries(value)) copy[name] = withNumbers(part, numberOf, copies);
  return copy;
}

/** The value with the pictures in place of their numbers. */
function withPictures(value, byNumber, seen = new Set()) {
  if (value === null || typeof value !== "object" || seen.has(value)) return value;
  if (value.isPicture) return byNumber.get(value.number);
  seen.add(value);
  for (const [name, part] of Object.entries(value)) value[name] = withPictures(part, byNumber, seen);
  return value;
}

const allOf = (key) => IDBKeyRange.bound([key], [key, []]);

/** What a request of IndexedDB gives. */
function opened(request, make) {
  return new Promise((resolve, reject) => {
    if (make) request.onupgradeneeded = () => make(request.result);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("nothing was written"));
  });
}
