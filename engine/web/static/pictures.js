// Files of pictures to pixels and back, as far as the browser can.

const JPEG_QUALITY = 0.95;

/** A file that the browser cannot show; the message is for people. */
export class Unreadable extends Error {}

/** The pixels of a picture's file, upright, as ImageData in sRGB. */
export async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    const kinds = "JPEG, PNG, WebP, AVIF, GIF or BMP";
    throw new Unreadable(`${file.name ?? "The picture"} is none that this browser can show: ${kinds}; engine-infer reads more.`);
  }
  const { width, height } = bitmap;
  try {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } catch {
    const size = `${width} × ${height} pixels`;
    throw new Unreadable(`${file.name ?? "The picture"} has ${size}, which is more than this browser can work on; engine-infer can.`);
  } finally {
    bitmap.close();
  }
}

/** Whether a file is a JPEG by its first bytes. */
export async function isJpeg(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return first === 0xff && second === 0xd8;
}

/** RGB and alpha, or null where all is opaque, as ImageData. */
export function pixelsOf(rgb, alpha) {
  const pixels = new ImageData(rgb.width, rgb.height);
  for (let i = 0; i < rgb.width * rgb.height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = rgb.data[3 * i + c];
    pixels.data[4 * i + 3] = alpha ? alpha.data[i] : 255;
  }
  return pixels;
}

/** The file of pixels. */
export function blobOf(pixels, type) {
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type, quality: JPEG_QUALITY });
}
