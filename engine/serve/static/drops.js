// Photos and folders that are dropped anywhere on the page, or chosen.

const PHOTO = /\.(jpe?g|png|webp|tiff?|avif|hei[cf]|hif|jxl)$/i;
const OURS = /(^|\/)\.[^/]*$|(\.mask|_mask\d*|\.completed)\.\w+$/i; // hidden files, and masks and results beside the photos

/** `open(chosen)` takes the promise of what is dropped: see `photosIn`. */
export function listenToDrops(open) {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    if (!items.length) return; // text, or a link
    const dropped = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()); // before the event is over
    open(Promise.all(dropped.map((one) => filesIn(one))).then((found) => photosIn(found.flat())));
  });
}

/** {file, path} of a file, or of all in a folder and the folders in it. */
async function filesIn(entry, folder = "") {
  if (!entry) return [];
  if (entry instanceof File) return [{ file: entry, path: entry.name }];
  const path = folder + entry.name;
  if (entry.isFile) return [{ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), path }];
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at most
    if (!some.length) break;
    entries.push(...some);
  }
  return (await Promise.all(entries.map((one) => filesIn(one, `${path}/`)))).flat();
}

/**
 * Of files, [{file, path}, ...], the photos in the order of their names, and how many were left out: {photos, left}. Of
 * several files and of a folder, these are what is no photo by its name, and masks and results.
 */
export function photosIn(files) {
  const single = files.length === 1 && !files[0].path.includes("/");
  const photos = files.filter(({ path }) => single || (PHOTO.test(path) && !OURS.test(path)));
  photos.sort((one, other) => one.path.localeCompare(other.path, undefined, { numeric: true }));
  return { photos, left: files.length - photos.length };
}
