// Smaller copies of pictures, and what is found in them back at full size.

/** The colours of a smaller copy, [[red, green, blue], ...]: means of the pixels under each. */
export function reduced({ data, width, height }, small) {
  return Array.from({ length: small.width * small.height }, (_, i) => {
    const [y, x] = [Math.floor(i / small.width), i % small.width];
    const [top, left] = [Math.floor((y * height) / small.height), Math.floor((x * width) / small.width)];
    const bottom = Math.max(Math.floor(((y + 1) * height) / small.height), top + 1);
    const right = Math.max(Math.floor(((x + 1) * width) / small.width), left + 1);
    const colour = [0, 0, 0];
    for (let row = top; row < bottom; row++) {
      for (let at = 3 * (row * width + left); at < 3 * (row * width + right); at++) colour[at % 3] += data[at];
    }
    return colour.map((value) => value / ((bottom - top) * (right - left)));
  });
}

/** The share of a smaller mask at a pixel of a larger grid, linear between the middles of its pixels. */
export function shareAt({ data, width, height }, i, large) {
  const place = (at, length, full) => Math.min(Math.max(((at + 0.5) * length) / full - 0.5, 0), length - 1);
  const [y, x] = [place(Math.floor(i / large.width), height, large.height), place(i % large.width, width, large.width)];
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [bottom, right] = [Math.min(top + 1, height - 1), Math.min(left + 1, width - 1)];
  const row = (at) => data[at * width + left] * (1 - x + left) + data[at * width + right] * (x - left);
  return row(top) * (1 - y + top) + row(bottom) * (y - top);
}
