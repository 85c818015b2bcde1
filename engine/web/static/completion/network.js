// The network, by onnxruntime-web: on the GPU where the browser gives one to pages, else on the CPU in WASM, with as many
// threads as it allows.

import { Grid } from "./grid.js";
import { smallestWindow } from "./windows.js";

const ORT = "../onnxruntime-web/"; // beside this folder
const MODEL = "../model/";
const BASE_WIDTH = 16; // of the network for which a window may have MOST pixels; wider ones take more memory for each
const MOST = 2 ** 20;

/** A file of the page that could not be fetched; the message is for people. */
export class Missing extends Error {}

export class Network {
  #files = {};
  #sessions = {};

  constructor(spec) {
    this.spec = spec;
    const most = Math.floor((MOST * BASE_WIDTH) / Math.max(spec.base_width, BASE_WIDTH));
    this.limit = Math.max(most, smallestWindow(spec.halo)); // pixels of a window
  }

  /** All that is fetched is fetched here, and what runs the network is started. */
  static async load() {
    const network = new Network(await (await fetched(`${MODEL}spec.json`)).json());
    for (const graph of ["interior", "padded"]) network.#files[graph] = await (await fetched(`${MODEL}${graph}.onnx`)).arrayBuffer();
    await ((await hasGpu()) ? network.#onGpu() : network.#onCpu());
    return network;
  }

  async #onGpu() {
    try {
      this.ort = await import(`${ORT}ort.webgpu.min.mjs`);
      await this.#start("webgpu");
    } catch (error) {
      console.warn("WebGPU does not run the network:", error);
      await this.#onCpu();
    }
  }

  async #onCpu() {
    this.ort = await import(`${ORT}ort.wasm.min.mjs`);
    this.threads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    await this.#start("wasm");
  }

  async #start(provider) {
    Object.assign(this, { provider });
    this.ort.env.wasm.numThreads = this.threads ?? 1;
    this.ort.env.wasm.wasmPaths = new URL(ORT, import.meta.url).href;
    this.#sessions = {};
    await this.#session("interior");
  }

  /** What runs it, for people. */
  get runtime() {
    if (this.provider === "webgpu") return "on the GPU";
    return this.threads === 1 ? "on one thread of the CPU" : `on ${this.threads} threads of the CPU`;
  }

  async #session(graph) {
    this.#sessions[graph] ??= await this.ort.InferenceSession.create(this.#files[graph], { executionProviders: [this.provider] });
    return this.#sessions[graph];
  }

  /** RGB in [0, 1] of a window's region, for its input in planes. Error if it is not finite. */
  async run(holed, { region, outer }) {
    try {
      return await this.#runGraph(holed, region, outer);
    } catch (error) {
      if (this.provider !== "webgpu") throw error;
      console.warn("WebGPU does not run the network:", error);
      await this.#onCpu();
      return this.#runGraph(holed, region, outer);
    }
  }

  async #runGraph(holed, region, outer) {
    const { halo } = this.spec;
    const margins = [region.top - outer.top, outer.bottom - region.bottom, region.left - outer.left, outer.right - region.right];
    const isInterior = margins.every((margin) => margin === halo);
    const session = await this.#session(isInterior ? "interior" : "padded");
    const input = new this.ort.Tensor("float32", holed.data, [1, 4, holed.height, holed.width]);
    const { generated } = await session.run({ holed: input });
    const [, , height, width] = generated.dims;
    const planes = new Grid(await generated.getData(), width, height);
    const cut = isInterior ? { top: 0, left: 0 } : { top: margins[0], left: margins[2] };
    const rgb = interleaved(planes, { ...cut, bottom: cut.top + region.bottom - region.top, right: cut.left + region.right - region.left });
    generated.dispose();
    return rgb;
  }
}

/** Whether the browser gives pages a GPU, and not one in software, which is slower than WASM. */
async function hasGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

/** A part of three planes, as pixels of three channels. Error if a value is not finite. */
function interleaved({ data, width, height }, { top, left, bottom, right }) {
  const rgb = new Grid(new Float32Array(3 * (bottom - top) * (right - left)), right - left, bottom - top, 3);
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      for (let c = 0; c < 3; c++) {
        const value = data[(c * height + y) * width + x];
        rgb.data[3 * ((y - top) * rgb.width + x - left) + c] = value;
        sum += value;
      }
    }
  }
  if (!Number.isFinite(sum)) throw new Error("the network's output is not finite");
  return rgb;
}

async function fetched(path) {
  const answer = await fetch(new URL(path, import.meta.url)).catch(({ message }) => ({ ok: false, status: message }));
  if (!answer.ok) throw new Missing(`${path.slice(3)} of this page could not be fetched (${answer.status}); reload the page.`);
  return answer;
}
