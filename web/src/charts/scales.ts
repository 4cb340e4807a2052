// The vertical scales of time series: domains and ticks from the data's range, calm enough not to move with every bucket.

import { scaleLinear } from "d3-scale";

export interface Range {
  low: number;
  high: number;
}

export interface Axis {
  domain: [low: number, high: number];
  ticks: number[];
}

/** The least and the greatest finite value; null when there is none. */
export function rangeOf(...columns: ArrayLike<number>[]): Range | null {
  let [low, high] = [Infinity, -Infinity];
  for (const column of columns) {
    for (let i = 0; i < column.length; i += 1) {
      const value = column[i] as number;
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
  }
  return low <= high ? { low, high } : null;
}

/** From 0 to a little above the greatest value. */
export function fromZero(range: Range | null, most: number): Axis {
  const high = range?.high ?? 0;
  if (!(high > 0)) {
    return { domain: [0, 1], ticks: [0] };
  }
  const ticks = few(0, high, most);
  const step = (ticks[1] ?? high) / 10;
  return { domain: [0, Math.ceil((high * 1.02) / step) * step], ticks };
}

/** Percent: nice bounds around the data, at least 10 points apart; all of it when the data span more than 50 points. */
export function percents(range: Range | null, most: number): Axis {
  const { low, high } = range ?? { low: 0, high: 100 };
  if (high - low > 50) {
    return { domain: [0, 100], ticks: few(0, 100, most) };
  }
  const step = high - low > 20 ? 10 : 5;
  let [from, to] = [step * Math.floor(low / step), step * Math.ceil(high / step)];
  while (to - from < 10) {
    if (from > 0) {
      from -= step;
    } else {
      to += step;
    }
  }
  return { domain: [from, Math.min(100, to)], ticks: few(from, Math.min(100, to), most) };
}

/** Whole counts, around the data: a change of a few in a hundred is seen, one of a few in a thousand does not fill the panel. */
export function around(range: Range | null, most: number): Axis {
  if (range === null) {
    return { domain: [0, 1], ticks: [0] };
  }
  const room = Math.max(2, 0.04 * range.high, 1.15 * (range.high - range.low));
  const middle = (range.low + range.high) / 2;
  const low = Math.max(0, middle - room / 2);
  const ticks = few(low, low + room, most).filter(Number.isInteger);
  return { domain: [low, low + room], ticks };
}

/** Decades of milliseconds, from 1 ms to 10 s or beyond; in a low panel every other one has a tick. */
export function decades(range: Range | null, low: boolean): Axis {
  const top = Math.max(4, Math.ceil(Math.log10(Math.max(1, range?.high ?? 1)) - 1e-9));
  const ticks = Array.from({ length: top + 1 }, (_, i) => 10 ** i);
  return { domain: [1, 10 ** top], ticks: low ? ticks.filter((_, i) => i % 2 === 0) : ticks };
}

/** Two ticks or more where the range has them, but at most `most`. */
function few(low: number, high: number, most: number): number[] {
  const scale = scaleLinear([low, high], [0, 1]);
  const lists = Array.from({ length: most }, (_, i) => scale.ticks(most - i));
  const fitting = lists.find((ticks) => ticks.length <= most && ticks.length >= 2);
  let ticks = fitting ?? lists.findLast((ticks) => ticks.length >= 2) ?? scale.ticks(1);
  while (ticks.length > most) {
    ticks = ticks.filter((_, i) => i % 2 === 0);
  }
  return ticks;
}
