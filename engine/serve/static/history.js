// What was done, to be undone and done again: strokes, completions that use up the hole's strokes before them, and
// clearing the areas that say where texture is taken from, which stay over completions.

import { AREAS, erases } from "./strokes.js";

/** A step's name for people. */
export function nameOf({ stroke, cleared }) {
  if (stroke?.tool === "shadow") return "Shadow";
  if (stroke?.tool === "grown") return stroke.by > 0 ? "Growing" : "Shrinking";
  if (stroke) return stroke.tool === "select" || stroke.tool === "lasso" ? "Selection" : "Stroke";
  return cleared ? "Clearing" : "Completion";
}

export class History {
  version = 0; // another one after each change
  #steps;
  #done;

  /** A new one, or that of which `kept` was asked for. */
  constructor({ steps, done } = { steps: [], done: 0 }) {
    [this.#steps, this.#done] = [steps, done];
  }

  get kept() {
    return { steps: this.#steps, done: this.#done };
  }

  /** Adds a step {stroke}, {completion} or {cleared: true}; what had been undone is gone. */
  push(step) {
    this.#steps.length = this.#done;
    this.#done = this.#steps.push(step);
    this.version += 1;
  }

  get canUndo() {
    return this.#done > 0;
  }

  get canRedo() {
    return this.#done < this.#steps.length;
  }

  undo() {
    this.version += 1;
    return this.#steps[--this.#done];
  }

  redo() {
    this.version += 1;
    return this.#steps[this.#done++];
  }

  get #shown() {
    return this.#steps.slice(0, this.#done);
  }

  /** Completions that show now: of each hole the last one. */
  get completions() {
    const all = this.#shown.flatMap((step) => step.completion ?? []);
    return all.filter(({ hole }, i) => hole !== all[i + 1]?.hole);
  }

  /** All that could show, with those that are undone. */
  get everyCompletion() {
    return this.#steps.flatMap((step) => step.completion ?? []);
  }

  get everyStroke() {
    return this.#steps.flatMap((step) => step.stroke ?? []);
  }

  /** Strokes of the hole since the last completion, or since its edge was moved. */
  get hole() {
    const last = this.#shown.findLastIndex(({ completion, stroke }) => completion || stroke?.tool === "grown");
    const first = this.#shown[last]?.completion ? last + 1 : Math.max(last, 0);
    return this.#shown.slice(first).flatMap(({ stroke }) => (stroke && !AREAS.includes(stroke.tool) ? stroke : []));
  }

  /** Strokes that show, of all kinds, in order. */
  get strokes() {
    const showing = new Set([...this.hole, ...Object.values(this.areas).flat()]);
    return this.#shown.flatMap(({ stroke }) => (showing.has(stroke) ? stroke : []));
  }

  /** Strokes by area that says where texture is taken from, since these were cleared; the eraser takes away from all. */
  get areas() {
    const last = this.#shown.findLastIndex((step) => step.cleared);
    const since = this.#shown.slice(last + 1).flatMap(({ stroke }) => stroke ?? []);
    const strokesOf = (area) => since.filter((stroke) => stroke.tool === area || erases(stroke));
    return Object.fromEntries(AREAS.map((area) => [area, strokesOf(area)]));
  }
}
