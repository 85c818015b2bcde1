// The cheapest cut between what is the thing and what is not, of a grid of pixels: the algorithm of Boykov and Kolmogorov
// (2004), in which a tree grows from either side, and what a full edge cuts off is adopted anew.

const [FREE, THING, GROUND] = [0, 1, 2]; // in no tree, or in that of a side
const [TERMINAL, ORPHAN, NONE] = [8, 9, 10]; // in place of the direction in which a node's parent lies

/** The steps to the eight neighbours; that of an odd number is the one before it backwards. */
export const stepsOf = (width) => [1, -1, width, -width, width + 1, -width - 1, width - 1, -width + 1];

/**
 * A mask of the pixels that are on the side of the thing. `edges` has an array for each step, what cutting it costs, and 0
 * where it leaves the grid; `ends` is what it costs for a pixel not to be the thing, less what it costs to be. Both are used up.
 */
export function cut(edges, ends, width) {
  const grid = new Trees(edges, ends, stepsOf(width));
  for (;;) {
    const path = grid.grow();
    if (!path) return Uint8Array.from(grid.tree, (side) => (side === THING ? 1 : 0));
    grid.augment(path);
    grid.adopt();
  }
}

class Trees {
  constructor(edges, ends, steps) {
    Object.assign(this, { edges, ends, steps, time: 0, orphans: [] });
    const count = ends.length;
    this.tree = new Uint8Array(count);
    this.parent = new Uint8Array(count).fill(NONE);
    this.seen = new Int32Array(count); // when the way to the side was last known
    this.away = new Int32Array(count); // and how long it was then
    this.active = [];
    this.first = 0; // of the active ones
    this.isActive = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      if (!ends[i]) continue;
      [this.tree[i], this.parent[i], this.away[i]] = [ends[i] > 0 ? THING : GROUND, TERMINAL, 1];
      this.activate(i);
    }
  }

  activate(i) {
    if (this.isActive[i]) return;
    this.isActive[i] = 1;
    this.active.push(i);
  }

  /** What is left of the edge from a node of a side to its neighbour, in the direction in which that side's flow runs. */
  outward(i, d) {
    return this.tree[i] === THING ? this.edges[d][i] : (this.edges[d ^ 1][i + this.steps[d]] ?? 0);
  }

  /** The same from the neighbour to the node. */
  inward(i, d) {
    return this.tree[i] === THING ? (this.edges[d ^ 1][i + this.steps[d]] ?? 0) : this.edges[d][i];
  }

  /** Grows both trees until they meet, {from: a node of the thing's, d: the step to one of the other}; null if they never do. */
  grow() {
    const { tree, parent, seen, away, steps } = this;
    for (; this.first < this.active.length; this.first++) {
      const i = this.active[this.first];
      for (let d = 0; d < 8 && tree[i]; d++) {
        if (!(this.outward(i, d) > 0)) continue;
        const next = i + steps[d];
        if (tree[next] === FREE) {
          [tree[next], parent[next], seen[next], away[next]] = [tree[i], d ^ 1, seen[i], away[i] + 1];
          this.activate(next);
        } else if (tree[next] !== tree[i]) {
          return tree[i] === THING ? { from: i, d } : { from: next, d: d ^ 1 };
        } else if (seen[next] <= seen[i] && away[next] > away[i] + 1) {
          [parent[next], seen[next], away[next]] = [d ^ 1, seen[i], away[i] + 1];
        }
      }
      this.isActive[i] = 0;
      if (this.first > 1e6) [this.active, this.first] = [this.active.slice(this.first), 0];
    }
    return null;
  }

  /** Sends as much through the path as it takes; the nodes behind edges that are full then are orphans. */
  augment({ from, d }) {
    const { edges, ends, steps, parent } = this;
    const to = from + steps[d];
    const ways = [[from, 1], [to, -1]];
    let most = edges[d][from];
    for (const [start, sign] of ways) {
      let i = start;
      for (; parent[i] !== TERMINAL; i += steps[parent[i]]) most = Math.min(most, this.inward(i, parent[i]));
      most = Math.min(most, sign * ends[i]);
    }
    this.send(from, d, most);
    for (const [start, sign] of ways) {
      let i = start;
      while (parent[i] !== TERMINAL) {
        const up = parent[i];
        const above = i + steps[up];
        if (sign > 0) this.send(above, up ^ 1, most);
        else this.send(i, up, most);
        if (!(this.inward(i, up) > 0)) this.orphan(i);
        i = above;
      }
      ends[i] -= sign * most;
      if (!(sign * ends[i] > 0)) this.orphan(i);
    }
  }

  send(i, d, flow) {
    this.edges[d][i] -= flow;
    this.edges[d ^ 1][i + this.steps[d]] += flow;
  }

  orphan(i) {
    this.parent[i] = ORPHAN;
    this.orphans.push(i);
  }

  /** Finds orphans new parents that lead to their side, the nearest; those without one are free. */
  adopt() {
    const { tree, parent, seen, away, steps } = this;
    this.time += 1;
    while (this.orphans.length) {
      const i = this.orphans.pop();
      let [best, least] = [NONE, Infinity];
      for (let d = 0; d < 8; d++) {
        if (tree[i + steps[d]] !== tree[i] || !(this.inward(i, d) > 0)) continue;
        const far = this.wayFrom(i + steps[d]);
        if (far < least) [best, least] = [d, far];
      }
      parent[i] = best;
      if (best !== NONE) [seen[i], away[i]] = [this.time, least + 1];
      else this.release(i);
    }
  }

  /** How far a node is from its side; Infinity if an orphan is between. */
  wayFrom(start) {
    const { parent, seen, away, steps, time } = this;
    let [i, far] = [start, 0];
    for (;; i += steps[parent[i]]) {
      if (seen[i] === time) {
        far += away[i];
        break;
      }
      far += 1;
      if (parent[i] === TERMINAL) {
        [seen[i], away[i]] = [time, 1];
        break;
      }
      if (parent[i] >= ORPHAN) return Infinity;
    }
    for (let [at, left] = [start, far]; seen[at] !== time; at += steps[parent[at]]) [seen[at], away[at]] = [time, left--];
    return far;
  }

  release(i) {
    const { tree, parent, steps } = this;
    for (let d = 0; d < 8; d++) {
      const next = i + steps[d];
      if (tree[next] !== tree[i]) continue;
      if (this.inward(i, d) > 0) this.activate(next);
      if (parent[next] === (d ^ 1)) this.orphan(next);
    }
    tree[i] = FREE;
  }
}
