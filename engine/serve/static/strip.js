// The strip of photos, where there are several: a small picture of each, and how far it is.

import { desk } from "./desk.js";

const HEIGHT = 96; // of the small pictures in pixels, for screens with two pixels for one of the page's
const SIGNS = { painted: "●", completed: "✓", failed: "!" };

const $ = (id) => document.getElementById(id);
const buttons = new Map(); // by Photo

let drawing = Promise.resolve(); // of small pictures, one after the other: each needs its whole photo for a moment

const observer = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    drawing = drawing.then(() => draw(target)).catch(() => {}); // the name stays in its place
  }
});

/** Shows the photos that are there, and what they are; `onChoice(photo)` takes one that is clicked. */
export function refreshStrip(onChoice) {
  $("strip").hidden = desk.photos.length < 2;
  for (const [photo, button] of buttons) {
    if (desk.photos.includes(photo)) continue;
    button.parentElement.remove();
    buttons.delete(photo);
  }
  for (const photo of desk.photos) {
    if (!buttons.has(photo)) buttons.set(photo, add(photo, onChoice));
    mark(photo, buttons.get(photo));
  }
}

function add(photo, onChoice) {
  const button = document.createElement("button");
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: photo.file.name });
  const state = Object.assign(document.createElement("span"), { className: "state" });
  button.append(name, state);
  button.onclick = () => onChoice(photo);
  button.photo = photo;
  const item = document.createElement("li");
  item.append(button);
  $("thumbnails").append(item);
  observer.observe(button);
  return button;
}

function mark(photo, button) {
  const state = photo.state;
  button.dataset.state = state;
  button.lastElementChild.textContent = SIGNS[state] ?? "";
  button.disabled = desk.running !== null;
  const said = [photo.path, state, photo.error].filter(Boolean).join(", ");
  if (button.title !== said) button.title = said;
  button.setAttribute("aria-label", said);
  if (photo !== desk.photo) button.removeAttribute("aria-current");
  else if (!button.hasAttribute("aria-current")) {
    button.setAttribute("aria-current", "true");
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

async function draw(button) {
  if (!buttons.has(button.photo)) return; // it was closed meanwhile
  const small = await createImageBitmap(button.photo.file, { resizeHeight: HEIGHT, resizeQuality: "medium" });
  const canvas = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
  canvas.getContext("2d").drawImage(small, 0, 0);
  small.close();
  button.firstElementChild.replaceWith(canvas);
}
