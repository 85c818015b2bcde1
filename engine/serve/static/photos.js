// The photos that are open: adding some, going from one to another, and closing them.

import { changed, desk, run, stage, view } from "./desk.js";
import { letGo, restore } from "./keep.js";
import { complain, say } from "./messages.js";
import { painter, size } from "./painting.js";
import { Photo } from "./photo.js";
import * as server from "./server.js";
import { picturesOf } from "./view.js";
import { scene } from "./viewing.js";

const $ = (id) => document.getElementById(id);
const NO_PHOTO = [413, 415, 422]; // statuses that say that a file will never be one

let starting = Promise.resolve(); // until what was open before shows again

/** Shows what was open before the page was reloaded. */
export function reopen() {
  starting = restore()
    .then(({ photos, shown }) => photos.length && run(() => showAgain(photos, shown)))
    .catch(complain);
}

async function showAgain(photos, shown) {
  desk.photos.push(...photos);
  await show(shown);
  const which = photos.length === 1 ? "The photo is" : `The ${photos.length} photos are`;
  say(`${which} as you left ${photos.length === 1 ? "it" : "them"}, kept in this browser until you close ${photos.length === 1 ? "it" : "them"}.`);
}

/** Opens the photos of `chosen`, a promise: see `photosIn` in drops.js. The first of them shows. */
export async function open(chosen) {
  await starting;
  if (desk.running) return;
  await run(async () => {
    const { photos, left } = await chosen;
    if (!photos.length) throw new server.Refused(0, "There is no photo in what was chosen; JPEG, PNG, WebP and TIFF are photos.");
    const refused = await showFirst(photos.map(({ file, path }) => new Photo(file, path)));
    if (refused.length) throw refused[0];
    const others = left ? ` ${left === 1 ? "1 file is" : `${left} files are`} no photo, and left out.` : "";
    say(`${sizeOf(desk.photo)}. Paint over what should go.${others}`);
  });
}

/** Adds photos and shows the first that can be read; why those before it cannot. */
async function showFirst(added) {
  const refused = [];
  desk.photos.push(...added);
  for (const photo of added) {
    try {
      await show(photo);
      break;
    } catch (error) {
      if (!NO_PHOTO.includes(error.status)) {
        added.forEach(forget);
        throw error;
      }
      refused.push(error);
    }
  }
  return refused;
}

const sizeOf = ({ width, height }) => `${width} × ${height} pixels`;

/** Shows the photo that was chosen in the strip. */
export async function choose(photo) {
  if (desk.running || photo === desk.photo) return;
  await run(async () => {
    await show(photo);
    if (photo.error) throw new server.Refused(0, `${photo.file.name}: ${photo.error}`);
    say(`${photo.file.name}, ${desk.photos.indexOf(photo) + 1} of ${desk.photos.length}.`);
  });
}

/** Shows the next photo, or with -1 the one before. */
export async function step(direction) {
  const photo = desk.photos[desk.photos.indexOf(desk.photo) + direction];
  if (photo) await choose(photo);
}

/** Shows a photo in place of the one before, whose pictures are let go. One that cannot be one is closed again. */
async function show(photo) {
  say(`Opening ${photo.file.name}…`);
  let bitmap;
  try {
    bitmap = await photo.open();
  } catch (error) {
    if (NO_PHOTO.includes(error.status)) forget(photo);
    throw error;
  }
  const pictures = await picturesOf(bitmap);
  const before = desk.photo;
  Object.assign(desk, { photo, comparing: false });
  painter.abandon();
  $("welcome").hidden = true;
  stage.hidden = false;
  const { file, width, height } = photo;
  $("photo-name").textContent = `${file.name} · ${width} × ${height}`;
  view.show(pictures, scene);
  if (before !== photo) await before?.rest();
  const longest = Math.max(width, height);
  painter.key = null;
  size.largest = Math.max(longest / 3, 64);
  size.set(longest / 20);
  stage.focus({ preventScroll: true });
}

function forget(photo) {
  desk.photos = desk.photos.filter((one) => one !== photo);
  photo.drop();
  letGo(photo);
}

/** Closes the photo that shows, once the person agrees if there is work that would be lost. */
export async function close() {
  if (!desk.idle || !(await agreed([desk.photo]))) return;
  const at = desk.photos.indexOf(desk.photo);
  forget(desk.photo);
  const next = desk.photos[Math.min(at, desk.photos.length - 1)];
  if (next) await choose(next);
  else showNone();
}

export async function closeAll() {
  if (!desk.idle || !(await agreed(desk.photos))) return;
  for (const photo of [...desk.photos]) forget(photo);
  showNone();
}

function showNone() {
  Object.assign(desk, { photo: null, comparing: false });
  painter.abandon();
  view.clear();
  stage.hidden = true;
  $("welcome").hidden = false;
  $("photo-name").textContent = "";
  say("");
  changed();
  $("choose").focus();
}

/** Asks whether photos may be closed, if work on them was not downloaded: true if they may. */
function agreed(photos) {
  const unsaved = photos.filter((photo) => photo.unsaved);
  if (!unsaved.length) return true;
  const dialog = $("close-dialog");
  const which = photos.length === 1 ? unsaved[0].file.name : `${unsaved.length} of ${photos.length} photos`;
  $("close-what").textContent = `What was painted or completed on ${which} was not downloaded, and will be gone.`;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "close"), { once: true });
  });
}
