// The order in which a table's rows stand: that of the engine, but calm enough to read and to click.

interface Row {
  id: number;
}

/** Rows are put into another order at most this often. */
export const REORDER_EVERY = 2_000; // ms

/** A row as it stands in the table; `left` says that it fell out of the ranks shown and keeps its last values. */
export type Placed<R extends Row> = R & { left: boolean };

export class StableOrder<R extends Row> {
  #placed: Placed<R>[] = [];
  #orderedAt = -Infinity;

  /** Forgets the order: what comes next answers another question. */
  reset(): void {
    this.#placed = [];
    this.#orderedAt = -Infinity;
  }

  /**
   * Places the newest rows. While `frozen` (the pointer or the focus is in the table) every row keeps its place,
   * even one that left; otherwise the order follows the engine's, no sooner than two seconds after it last did.
   */
  place(rows: readonly R[], now: number, frozen: boolean): Placed<R>[] {
    const same = rows.length === this.#placed.length && rows.every((row, i) => row.id === this.#placed[i]?.id);
    if (same || this.#placed.length === 0 || (!frozen && now - this.#orderedAt >= REORDER_EVERY)) {
      if (!same) {
        this.#orderedAt = now;
      }
      this.#placed = rows.map((row) => ({ ...row, left: false }));
      return this.#placed;
    }
    const newest = new Map(rows.map((row) => [row.id, row]));
    this.#placed = this.#placed.map((row) => {
      const next = newest.get(row.id);
      return next === undefined ? { ...row, left: true } : { ...next, left: false };
    });
    if (this.#placed.length < rows.length) {
      const known = new Set(this.#placed.map((row) => row.id));
      const more = rows.filter((row) => !known.has(row.id)).slice(0, rows.length - this.#placed.length);
      this.#placed = [...this.#placed, ...more.map((row) => ({ ...row, left: false }))];
    }
    return this.#placed;
  }
}
