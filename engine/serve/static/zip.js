// A zip of files that are stored as they are: photos and masks are compressed already. Names are UTF-8.
// The zip is a Blob of the files' Blobs, of which the browser keeps large ones on disk; only their checksums are computed
// from what passes through.

const MOST = 0xffffffff; // bytes of a zip without the fields for more
const UTF8 = 0x0800;
const VERSION = 20; // of the format that a reader has to know: 2.0, with folders

/** The zip of `files`, [{name, blob}, ...]. Error if it would be too large. */
export async function zipOf(files, time = new Date()) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, blob } of files) {
    const header = { name: new TextEncoder().encode(name), size: blob.size, crc: await crc32(blob), time, offset };
    const local = localHeader(header);
    parts.push(local, blob);
    directory.push(directoryEntry(header));
    offset += local.length + blob.size;
  }
  const length = directory.reduce((sum, entry) => sum + entry.length, 0);
  if (offset + length > MOST || files.length > 0xffff) {
    throw new Error(`The zip would have ${(offset / 2 ** 30).toFixed(1)} GiB, and 4 is the most; close some photos and download in parts.`);
  }
  return new Blob([...parts, ...directory, endOf(files.length, length, offset)], { type: "application/zip" });
}

/** Numbers one after the other, each of so many bytes: [[value, bytes], ...]. The lowest byte is first. */
function fields(pairs) {
  return pairs.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** at) % 256));
}

/** What a local header and the directory both say of a file. */
function common({ name, size, crc, time }) {
  const clock = (time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1);
  const day = ((time.getFullYear() - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate();
  return [[VERSION, 2], [UTF8, 2], [0, 2], [clock, 2], [day, 2], [crc, 4], [size, 4], [size, 4], [name.length, 2], [0, 2]];
}

function localHeader(header) {
  return Uint8Array.from([...fields([[0x04034b50, 4], ...common(header)]), ...header.name]);
}

function directoryEntry(header) {
  const others = [[0, 2], [0, 2], [0, 2], [0, 4], [header.offset, 4]]; // comment, disk, attributes
  return Uint8Array.from([...fields([[0x02014b50, 4], [VERSION, 2], ...common(header), ...others]), ...header.name]);
}

function endOf(count, length, offset) {
  return Uint8Array.from(fields([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [length, 4], [offset, 4], [0, 2]]));
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** The checksum of a Blob, which is read piece by piece. */
async function crc32(blob) {
  const reader = blob.stream().getReader();
  let crc = 0xffffffff;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return (crc ^ 0xffffffff) >>> 0;
    for (const byte of value) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255];
  }
}
