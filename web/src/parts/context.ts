// What every part of the page is drawn with.

import { count, bytes } from "../data/format";
import type { Measure, StatusView, Window } from "../data/protocol";
import type { Store } from "../data/store";
import type { boxes, ruler } from "../measure";

export interface Context {
  store: Store;
  status: StatusView | null;
  /** Keys that what changed names, by dimension. */
  named: ReadonlyMap<string, ReadonlySet<string>>;
  boxes: ReturnType<typeof boxes>;
  ruler: ReturnType<typeof ruler>;
  window: Window;
  measure: Measure;
  utc: boolean;
  /** The browser's text size, in parts of its usual one: charts grow with it. */
  scale: number;
  /** The page's own clock, milliseconds that never go back. */
  now: number;
  /** The narrowest layout: one column, heads above their charts. */
  phone: boolean;
  /** No transitions: the user asked for none. */
  still: boolean;
  /** Rows of a table, rows and columns of the circles. */
  rows: { sites: number; clients: number; matrix: number };
}

export function formatOf(measure: Measure | undefined): (value: number) => string {
  return measure === "bytes" ? bytes : count;
}

/** How long moves take in this drawing: none after a snapshot or a gap in the stream. */
export function pace(): (snapshots: number, asOf: number, still: boolean) => number {
  let [lastSnapshots, lastAsOf] = [-1, 0];
  return (snapshots, asOf, still) => {
    const steady = snapshots === lastSnapshots && asOf - lastAsOf <= GAP;
    [lastSnapshots, lastAsOf] = [snapshots, asOf];
    return steady && !still ? MOVE : 0;
  };
}

const MOVE = 250; // ms
const GAP = 3_000; // ms
