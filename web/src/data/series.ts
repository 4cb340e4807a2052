// The cluster's time series as they arrive: one ring of buckets by window, held in typed arrays that are made once.
//
// What the head's and the cells' numbers mean is section 4 of `src/page/stream.md`, kind `series`.

import type { Model, Window } from "./protocol";

/** The places of a cell's values. */
export const AT = {
  hit: 0,
  refresh: 1,
  miss: 2,
  error: 3,
  /** Requests without a result code. */
  unknown: 4,
  bytes: 5,
  hitBytes: 6,
  unknownBytes: 7,
  originBytes: 8,
  /** Milliseconds plus 1; 0: no timed request. */
  p50: 9,
  p95: 10,
  p99: 11,
  status4xx: 12,
  status5xx: 13,
  clients: 14,
  /** The most requests in one second of the bucket. */
  peak: 15,
} as const;
export type Place = (typeof AT)[keyof typeof AT];

const VALUES = 16;
/** Slots of a ring by window: more than the points it has, so that a growing bucket or a late trim never overwrites one. */
const SLOTS: Record<Window, number> = { "1m": 128, "10m": 512, "1h": 512, "24h": 512, total: 512 };
export const MOST_SLOTS = 512;

/** The buckets of one window, by their numbers: the start of a bucket is its number times `step`, in seconds since the epoch. */
export class Ring {
  /** Seconds; 0 before the first message. */
  step = 0;
  first = 0;
  /** The growing bucket, at the plot's right end. */
  newest = 0;
  /** Buckets below this one are complete. */
  incomplete = 0;
  coveredMs = 0;
  /** The bucket in which counting began: there is nothing before it. */
  began = 0;
  /** Grows when what was drawn is out of date: complete buckets changed, or the window moved. */
  version = 0;
  /** The bucket that each slot holds, or -1. */
  #holds: Float64Array;
  #values: Float64Array;

  constructor(readonly slots: number) {
    this.#holds = new Float64Array(slots).fill(-1);
    this.#values = new Float64Array(slots * VALUES);
  }

  has(bucket: number): boolean {
    return this.#holds[bucket % this.slots] === bucket;
  }

  /** A value of a bucket that is there. */
  value(bucket: number, place: Place): number {
    return this.#values[(bucket % this.slots) * VALUES + place] ?? 0;
  }

  /** Takes what the last message changed in `model`; `fresh`: all of it. */
  take(model: Model, fresh: boolean): void {
    if (fresh) {
      this.#holds.fill(-1);
    }
    const before = this.#edges();
    let changed = fresh;
    this.step = model.number(0);
    this.newest = model.number(2);
    // More buckets than slots are none of this protocol; the oldest would stand in the places of the newest.
    this.first = Math.max(model.number(1), this.newest - this.slots + 1);
    this.incomplete = model.number(3);
    this.coveredMs = model.number(4);
    this.began = model.number(5);
    for (const key of fresh ? model.keys() : model.touched) {
      const bucket = Number(key);
      const slot = bucket % this.slots;
      changed ||= bucket < this.incomplete;
      const values = model.cell(bucket);
      if (values === undefined) {
        if (this.#holds[slot] === bucket) {
          this.#holds[slot] = -1;
        }
      } else if (bucket >= this.first) {
        this.#holds[slot] = bucket;
        for (let i = 0; i < VALUES; i += 1) {
          this.#values[slot * VALUES + i] = values[i] ?? 0;
        }
      }
    }
    if (changed || this.#edges() !== before) {
      this.version += 1;
    }
  }

  #edges(): string {
    return `${this.step},${this.first},${this.newest},${this.incomplete},${this.began}`;
  }
}

/** The rings of all windows asked for so far, and the one with the newest data. */
export class Series {
  #rings = new Map<Window, Ring>();
  #window: Window | null = null;

  /** The window that the newest data are of. */
  get window(): Window | null {
    return this.#window;
  }

  /** Null before the first data. */
  get ring(): Ring | null {
    return (this.#window && this.#rings.get(this.#window)) ?? null;
  }

  take(window: Window, model: Model, fresh: boolean): void {
    let ring = this.#rings.get(window);
    if (ring === undefined) {
      ring = new Ring(SLOTS[window]);
      this.#rings.set(window, ring);
    }
    // A ring that was left holds what it had then.
    ring.take(model, fresh || this.#window !== window);
    this.#window = window;
  }

  reset(): void {
    this.#window = null;
  }
}
