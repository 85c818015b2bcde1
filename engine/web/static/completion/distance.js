// Distances of a mask's pixels: as OpenCV computes them, with steps of fixed length or exactly.

const FIXED = 65536; // steps are numbers of 16 bits after the point
const FAR = 2 ** 30;

/** From each pixel that is 1 to the nearest that is 0, in steps to the eight neighbours, as OpenCV's mask of 3x3; 0 elsewhere. */
export function distances({ data, width, height }) {
  const [straight, diagonal] = [Math.round(0.955 * FIXED), Math.round(1.3693 * FIXED)];
  const wide = width + 2;
  const away = new Int32Array(wide * (height + 2)).fill(FAR);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y + 1) * wide + x + 1;
      if (!data[y * width + x]) away[at] = 0;
      else {
        const beside = Math.min(away[at - 1], away[at - wide]) + straight;
        away[at] = Math.min(beside, Math.min(away[at - wide - 1], away[at - wide + 1]) + diagonal);
      }
    }
  }
  const found = new Float32Array(width * height);
  for (let y = height - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--) {
      const at = (y + 1) * wide + x + 1;
      const beside = Math.min(away[at + 1], away[at + wide]) + straight;
      away[at] = Math.min(away[at], beside, Math.min(away[at + wide + 1], away[at + wide - 1]) + diagonal);
      found[y * width + x] = away[at] / FIXED;
    }
  }
  return found;
}

/** The squares of the exact distances from each pixel that is 1 to the nearest that is 0; 0 elsewhere (Meijster et al. 2000). */
export function squaredDistances({ data, width, height }) {
  const most = width + height;
  const rows = new Int32Array(width * height);
  for (let x = 0; x < width; x++) {
    for (let y = 0, away = most; y < height; y++) rows[y * width + x] = away = data[y * width + x] ? Math.min(away + 1, most) : 0;
    for (let y = height - 1, away = most; y >= 0; y--) rows[y * width + x] = away = Math.min(away + 1, rows[y * width + x]);
  }
  const found = new Float64Array(width * height);
  const [vertex, start] = [new Int32Array(width), new Int32Array(width)];
  for (let y = 0; y < height; y++) {
    const row = rows.subarray(y * width, (y + 1) * width);
    const square = (x, at) => (x - at) ** 2 + row[at] ** 2;
    let last = 0;
    vertex[0] = start[0] = 0;
    for (let x = 1; x < width; x++) {
      while (last >= 0 && square(start[last], vertex[last]) > square(start[last], x)) last--;
      if (last < 0) {
        last = 0;
        vertex[0] = x;
        continue;
      }
      const before = vertex[last];
      const from = 1 + Math.floor((x ** 2 - before ** 2 + row[x] ** 2 - row[before] ** 2) / (2 * (x - before)));
      if (from < width) {
        last++;
        vertex[last] = x;
        start[last] = from;
      }
    }
    for (let x = width - 1; x >= 0; x--) {
      found[y * width + x] = square(x, vertex[last]);
      if (x === start[last]) last--;
    }
  }
  return found;
}

/** The number of the nearest pixel that is 1, for each pixel: in steps as OpenCV's mask of 5x5 has them, and its choice of equals. */
export function nearest({ data, width, height }) {
  const [straight, diagonal, long] = [1, 1.4, 2.1969].map((step) => Math.round(Math.fround(step) * FIXED));
  const wide = width + 4;
  const away = new Float64Array(wide * (height + 4)).fill(FAR);
  const labels = new Int32Array(wide * (height + 4));
  const steps = [
    [-2 * wide - 1, long], [-2 * wide + 1, long], [-wide - 2, long], [-wide - 1, diagonal], [-wide, straight],
    [-wide + 1, diagonal], [-wide + 2, long], [-1, straight],
  ];
  const place = (y, x) => (y + 2) * wide + x + 2;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = place(y, x);
      if (data[y * width + x]) [away[at], labels[at]] = [0, y * width + x];
      else step(away, labels, at, steps);
    }
  }
  const back = steps.map(([by, length]) => [-by, length]);
  const found = new Int32Array(width * height);
  for (let y = height - 1; y >= 0; y--) {
    for (let x = width - 1; x >= 0; x--) {
      const at = place(y, x);
      if (away[at] > straight) step(away, labels, at, back);
      found[y * width + x] = labels[at];
    }
  }
  return found;
}

/** Takes over the label of the first neighbour by which a pixel is nearer. */
function step(away, labels, at, steps) {
  for (const [by, length] of steps) {
    const through = away[at + by] + length;
    if (through >= away[at]) continue;
    away[at] = through;
    labels[at] = labels[at + by];
  }
}
