// The colours of one side of a cut, as a mixture of five normal distributions.

const PARTS = 5;
const ROUNDS = 10; // of the first estimate, by k-means
const LEAST = 0.01; // variance that is added where a part has no volume

/** Which part each colour belongs to at first: [[red, green, blue], ...] by k-means, from colours of evenly spread brightness. */
export function firstParts(colours) {
  const byBrightness = colours.toSorted((one, other) => sum(one) - sum(other));
  let middles = Array.from({ length: PARTS }, (_, k) => byBrightness[Math.floor(((k + 0.5) / PARTS) * colours.length)]);
  let parts = [];
  for (let round = 0; round < ROUNDS; round++) {
    parts = colours.map((colour) => leastOf(middles.map((middle) => squared(colour, middle))));
    middles = middles.map((middle, k) => meanOf(colours.filter((_, at) => parts[at] === k)) ?? middle);
  }
  return parts;
}

/** The mixture of colours, each of which belongs to a part: [{share, mean, inverse, factor}, ...]. */
export function mixtureOf(colours, parts) {
  return Array.from({ length: PARTS }, (_, k) => {
    const mine = colours.filter((_, at) => parts[at] === k);
    return mine.length ? normalOf(mine, mine.length / colours.length) : null;
  }).filter(Boolean);
}

/** The density of a colour, and the number of the part that has most of it: {density, part}. */
export function densityOf(mixture, [red, green, blue]) {
  let [density, most, part] = [0, -1, 0];
  for (let k = 0; k < mixture.length; k++) {
    const { share, mean, inverse: [a, b, c, d, e, f], factor } = mixture[k];
    const [x, y, z] = [red - mean[0], green - mean[1], blue - mean[2]];
    const own = factor * Math.exp(-(a * x * x + d * y * y + f * z * z + 2 * (b * x * y + c * x * z + e * y * z)) / 2);
    density += share * own;
    if (own > most) [most, part] = [own, k];
  }
  return { density, part };
}

function normalOf(colours, share) {
  const mean = meanOf(colours);
  const covariance = (i, j) => colours.reduce((total, colour) => total + (colour[i] - mean[i]) * (colour[j] - mean[j]), 0) / colours.length;
  let matrix = [covariance(0, 0), covariance(0, 1), covariance(0, 2), covariance(1, 1), covariance(1, 2), covariance(2, 2)];
  if (determinant(matrix) <= 1e-6) matrix = matrix.map((value, at) => ([0, 3, 5].includes(at) ? value + LEAST : value));
  const [a, b, c, d, e, f] = matrix;
  const volume = determinant(matrix);
  const inverse = [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b].map((one) => one / volume);
  return { share, mean, inverse, factor: 1 / Math.sqrt(volume) };
}

/** Of a symmetric matrix, by its upper triangle. */
const determinant = ([a, b, c, d, e, f]) => a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c);

const sum = ([red, green, blue]) => red + green + blue;
const squared = (one, other) => (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2;
const leastOf = (values) => values.indexOf(Math.min(...values));

function meanOf(colours) {
  if (!colours.length) return null;
  const total = [0, 0, 0];
  for (const colour of colours) for (let c = 0; c < 3; c++) total[c] += colour[c];
  return total.map((value) => value / colours.length);
}
