// What was done, to be undone and done again: strokes, completions that use up the hole's strokes before them, and
// clearing where texture is not taken from, which stays over completions.

import { erases } from "./strokes.js";

/** A step's name for people. */
export function nameOf({ stroke, cleared }) {
  if (stroke?.tool === "grown") return stroke.by > 0 ? "Growing" : "Shrinking";
  if (stroke) return stroke.tool === "select" ? "Selection" : "Stroke";
  return cleared ? "Clearing" : "Completion";
}

export class History {
  #steps = [];
  #done = 0;

  /** Adds a step {stroke}, {completion} or {cleared: true}; what had been undone is gone. */
  push(step) {
    this.#steps.length = this.#done;
    this.#done = this.#steps.push(step);
  }

  get canUndo() {
    return this.#done > 0;
  }

  get canRedo() {
    return this.#done < this.#steps.length;
  }

  undo() {
    return this.#steps[--this.#done];
  }

  redo() {
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

  /** Strokes of the hole since the last completion, or since its edge was moved. */
  get hole() {
    const last = this.#shown.findLastIndex(({ completion, stroke }) => completion || stroke?.tool === "grown");
    const first = this.#shown[last]?.completion ? last + 1 : Math.max(last, 0);
    return this.#shown.slice(first).flatMap(({ stroke }) => (stroke && stroke.tool !== "avoid" ? stroke : []));
  }

  /** Strokes that show, of both kinds, in order. */
  get strokes() {
    const showing = new Set([...this.hole, ...this.avoided]);
    return this.#shown.flatMap(({ stroke }) => (showing.has(stroke) ? stroke : []));
  }

  /** Strokes of where texture is not taken from, since that was cleared; the eraser takes away from it, too. */
  get avoided() {
    const last = this.#shown.findLastIndex((step) => step.cleared);
    const here = (stroke) => stroke && (stroke.tool === "avoid" || erases(stroke));
    return this.#shown.slice(last + 1).flatMap(({ stroke }) => (here(stroke) ? stroke : []));
  }
}
