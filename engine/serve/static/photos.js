// Opening a photo and showing it.

import { desk, run, stage, view } from "./desk.js";
import { say } from "./messages.js";
import { painter, size } from "./painting.js";
import { Photo } from "./photo.js";
import { scene } from "./viewing.js";

const $ = (id) => document.getElementById(id);

export async function open(file) {
  if (!file || desk.running) return;
  await run(async () => {
    say(`Opening ${file.name}…`);
    const photo = new Photo(file);
    const bitmap = await photo.open();
    desk.photo?.drop();
    Object.assign(desk, { photo, comparing: false });
    await show(bitmap);
    say(`${photo.width} × ${photo.height} pixels. Paint over what should go.`);
  });
}

async function show(bitmap) {
  const { file, width, height } = desk.photo;
  $("welcome").hidden = true;
  stage.hidden = false;
  $("photo-name").textContent = `${file.name} · ${width} × ${height}`;
  await view.show(bitmap, scene);
  const longest = Math.max(width, height);
  painter.key = null;
  size.largest = Math.max(longest / 3, 64);
  size.set(longest / 20);
  stage.focus({ preventScroll: true });
}
