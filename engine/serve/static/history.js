// What was done, to be undone and done again: strokes, and completions that use up the strokes before them.

export class History {
  #steps = [];
  #done = 0;

  /** Adds a step {stroke} or {completion}; what had been undone is gone. */
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

  /** Completions that show now. */
  get completions() {
    return this.#steps.slice(0, this.#done).flatMap((step) => step.completion ?? []);
  }

  /** All that could show, with those that are undone. */
  get everyCompletion() {
    return this.#steps.flatMap((step) => step.completion ?? []);
  }

  /** Strokes since the last completion. */
  get strokes() {
    const steps = this.#steps.slice(0, this.#done);
    const last = steps.findLastIndex((step) => step.completion);
    return steps.slice(last + 1).map((step) => step.stroke);
  }
}
