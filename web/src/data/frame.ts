// A window's buckets as the charts draw them: by index from the left edge, as rates per second and ratios in percent.

import { AT, MOST_SLOTS, type Ring } from "./series";

/** What each column of a frame is, for one bucket. Rates are per second, times in ms, ratios in percent. */
const COLUMNS = {
  hit: (at: At, step: number) => at(AT.hit) / step,
  refresh: (at: At, step: number) => at(AT.refresh) / step,
  miss: (at: At, step: number) => at(AT.miss) / step,
  error: (at: At, step: number) => at(AT.error) / step,
  unknown: (at: At, step: number) => at(AT.unknown) / step,
  requests: (at: At, step: number) => (known(at) + at(AT.unknown)) / step,
  bytes: (at: At, step: number) => at(AT.bytes) / step,
  origin: (at: At, step: number) => at(AT.originBytes) / step,
  hitRatio: (at: At) => percent(at(AT.hit) + at(AT.refresh), known(at)),
  byteRatio: (at: At) => percent(at(AT.hitBytes), at(AT.bytes) - at(AT.unknownBytes)),
  p50: (at: At) => timed(at(AT.p50)),
  p95: (at: At) => timed(at(AT.p95)),
  p99: (at: At) => timed(at(AT.p99)),
  status4xx: (at: At, step: number) => at(AT.status4xx) / step,
  status5xx: (at: At, step: number) => at(AT.status5xx) / step,
  failed: (at: At, step: number) => (at(AT.status4xx) + at(AT.status5xx)) / step,
  clients: (at: At) => at(AT.clients),
} as const;
export type Column = keyof typeof COLUMNS;
type At = (place: (typeof AT)[keyof typeof AT]) => number;

const NAMES = Object.keys(COLUMNS) as Column[];

/** Buckets without data, from one index up to but not including another. */
export interface Run {
  from: number;
  to: number;
}

export interface Frame {
  /** Seconds. */
  step: number;
  /** The bucket at the left edge. */
  first: number;
  /** Buckets between the left edge and the right one. */
  length: number;
  /** Buckets from the left that are complete, and so drawn. */
  drawn: number;
  /** What was not recorded because counting had not begun; null: all was. */
  unrecorded: Run | null;
  /** What was not recorded because nothing could be. */
  gaps: Run[];
  /** NaN where there is nothing: no bucket, or no ratio of nothing. */
  columns: Record<Column, Float64Array>;
}

/** When the bucket at an index begins, in ms since the epoch. */
export function timeOf(frame: Frame, index: number): number {
  return (frame.first + index) * frame.step * 1000;
}

/** Fills frames from rings; a frame's columns are those of the filler, until it fills the next one. */
export function filler(): (ring: Ring) => Frame {
  const held = new Map(NAMES.map((name) => [name, new Float64Array(MOST_SLOTS)]));
  return (ring) => {
    const { step, first } = ring;
    const length = step > 0 ? Math.max(0, ring.newest - first) : 0;
    const drawn = step > 0 ? Math.min(Math.max(0, ring.incomplete - first), length + 1, MOST_SLOTS) : 0;
    const began = Math.min(Math.max(0, ring.began - first), length);
    const gaps: Run[] = [];
    for (let i = 0; i < drawn; i += 1) {
      const bucket = first + i;
      const there = ring.has(bucket) && i >= began;
      const at: At = (place) => ring.value(bucket, place);
      for (const name of NAMES) {
        (held.get(name) as Float64Array)[i] = there ? COLUMNS[name](at, step) : NaN;
      }
      if (!there && i >= began) {
        const last = gaps.at(-1);
        if (last?.to === i) {
          last.to = i + 1;
        } else {
          gaps.push({ from: i, to: i + 1 });
        }
      }
    }
    const columns = Object.fromEntries(NAMES.map((name) => [name, (held.get(name) as Float64Array).subarray(0, drawn)])) as Frame["columns"];
    return { step, first, length, drawn, unrecorded: began > 0 ? { from: 0, to: began } : null, gaps, columns };
  };
}

function known(at: At): number {
  return at(AT.hit) + at(AT.refresh) + at(AT.miss) + at(AT.error);
}

function percent(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : NaN;
}

function timed(plusOne: number): number {
  return plusOne > 0 ? plusOne - 1 : NaN;
}
