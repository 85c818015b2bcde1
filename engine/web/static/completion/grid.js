// Pictures, masks and fields of numbers: rows of pixels with one or three channels, in a typed array.
//
// A mask has 1 where it is true. A picture has RGB in a Uint8Array, or in a Uint16Array once its contrast is stretched.
// A place is {top, left, bottom, right}, the last two excluded.

export class Grid {
  constructor(data, width, height, channels = 1) {
    Object.assign(this, { data, width, height, channels });
  }

  /** Zeros of the same kind, of this size. */
  like(width = this.width, height = this.height) {
    return new Grid(new this.data.constructor(width * height * this.channels), width, height, this.channels);
  }

  copy() {
    return new Grid(this.data.slice(), this.width, this.height, this.channels);
  }

  get whole() {
    return { top: 0, left: 0, bottom: this.height, right: this.width };
  }

  /** The largest value of its pixels, as a picture. */
  get white() {
    return this.data instanceof Uint8Array ? 255 : 65535;
  }

  /** A copy of a part. */
  crop({ top, left, bottom, right }) {
    const part = this.like(right - left, bottom - top);
    const row = part.width * this.channels;
    for (let y = 0; y < part.height; y++) {
      const from = ((top + y) * this.width + left) * this.channels;
      part.data.set(this.data.subarray(from, from + row), y * row);
    }
    return part;
  }

  /** Puts a part in a place, where its mask is 1 if it has one. */
  put(part, { top, left }, mask = null) {
    const { channels } = this;
    const row = part.width * channels;
    for (let y = 0; y < part.height; y++) {
      const to = ((top + y) * this.width + left) * channels;
      if (!mask) {
        this.data.set(part.data.subarray(y * row, (y + 1) * row), to);
        continue;
      }
      for (let x = 0; x < part.width; x++) {
        if (!mask.data[y * part.width + x]) continue;
        for (let c = 0; c < channels; c++) this.data[to + x * channels + c] = part.data[y * row + x * channels + c];
      }
    }
  }

  /** Sets a mask's part to 0 where another is 1. */
  clear(part, { top, left }) {
    for (let y = 0; y < part.height; y++) {
      const to = (top + y) * this.width + left;
      for (let x = 0; x < part.width; x++) if (part.data[y * part.width + x]) this.data[to + x] = 0;
    }
  }
}

export const emptyMask = (width, height) => new Grid(new Uint8Array(width * height), width, height);
export const floats = (width, height, channels = 3) =>
  new Grid(new Float32Array(width * height * channels), width, height, channels);

/** A mask of what `test(i)` says of the pixels of a grid. */
export function maskWhere({ width, height }, test) {
  const mask = emptyMask(width, height);
  for (let i = 0; i < mask.data.length; i++) mask.data[i] = test(i) ? 1 : 0;
  return mask;
}

export const both = (one, other) => maskWhere(one, (i) => one.data[i] && other.data[i]);
export const either = (one, other) => maskWhere(one, (i) => one.data[i] || other.data[i]);
export const without = (one, other) => maskWhere(one, (i) => one.data[i] && !other.data[i]);
export const not = (mask) => maskWhere(mask, (i) => !mask.data[i]);
export const any = (mask) => mask.data.includes(1);
export const all = (mask) => !mask.data.includes(0);

/** The numbers of the pixels of a mask that are 1, in order. */
export function pixelsOf(mask) {
  const pixels = new Int32Array(count(mask));
  let next = 0;
  for (let i = 0; next < pixels.length; i++) if (mask.data[i]) pixels[next++] = i;
  return pixels;
}

/** The nearest whole number, of two equally near ones the even one, as NumPy rounds: means of four pixels lie there often. */
export function rint(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

export function count(mask) {
  let sum = 0;
  for (const one of mask.data) sum += one;
  return sum;
}

/** `where` in the coordinates of a crop. */
export function relative({ top, left, bottom, right }, crop) {
  return { top: top - crop.top, left: left - crop.left, bottom: bottom - crop.top, right: right - crop.left };
}

export const shifted = (where, by) => relative(where, { top: -by.top, left: -by.left });

/** `where` with `context` more pixels on each side, from multiples of `multiple` on, within a grid. */
export function withContext({ top, left, bottom, right }, { width, height }, context, multiple = 2) {
  const first = (at) => Math.floor(Math.max(at - context, 0) / multiple) * multiple;
  return { top: first(top), left: first(left), bottom: Math.min(bottom + context, height), right: Math.min(right + context, width) };
}

/** A mask of the size of `crop` that has `part`, which lies at `where`. */
export function partIn(part, where, crop) {
  const here = emptyMask(crop.right - crop.left, crop.bottom - crop.top);
  here.put(part, relative(where, crop));
  return here;
}

/** Where a mask has anything, with a margin, from multiples of `multiple` on; null if it has nothing. */
export function boundingBox(mask, margin = 0, multiple = 1) {
  const { data, width } = mask;
  const first = data.indexOf(1);
  if (first < 0) return null;
  const tight = { top: Math.floor(first / width), left: width, bottom: Math.floor(data.lastIndexOf(1) / width) + 1, right: 0 };
  for (let y = tight.top; y < tight.bottom; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    const left = row.indexOf(1);
    if (left < 0) continue;
    tight.left = Math.min(tight.left, left);
    tight.right = Math.max(tight.right, row.lastIndexOf(1) + 1);
  }
  return withContext(tight, mask, margin, multiple);
}
