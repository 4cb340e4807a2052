// The moments that a time axis names: round in the reader's own zone, over changes of its clock too.

import { axisTime } from "../data/format";

export interface TimeTick {
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000];
const STEPS = [
  ...[5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28, 56, 112, 224, 448].map((n) => n * DAY),
];
/** Clocks are changed, and zones differ, by multiples of this. */
const ZONES = 15 * MINUTE;
/** Midnight of a Monday: weeks begin then. */
const MONDAY = 4 * DAY;

/** Ticks between two moments, no more than `most`. */
export function timeTicks(from: number, to: number, most: number, utc: boolean): TimeTick[] {
  const step = STEPS.find((step) => (to - from) / step <= most) ?? STEPS.at(-1) ?? DAY;
  const search = Math.min(step, step >= DAY ? HOUR / 2 : ZONES);
  const origin = step >= 7 * DAY ? MONDAY : 0;
  const ticks: TimeTick[] = [];
  for (let at = Math.ceil(from / search) * search; at <= to; at += search) {
    const local = at - (utc ? 0 : new Date(at).getTimezoneOffset() * MINUTE);
    if ((local - origin) % step === 0) {
      ticks.push({ at, text: axisTime(at, utc, unitOf(step, local, to - from)) });
    }
  }
  return ticks;
}

function unitOf(step: number, local: number, span: number): "second" | "minute" | "weekday" | "day" {
  const midnight = local % DAY === 0;
  if (step < MINUTE) {
    return "second";
  }
  return midnight && span > 7 * DAY ? "day" : midnight && span > 3 * HOUR ? "weekday" : "minute";
}

/** A moment in full, with its day where the span has more than one: `14:46:20`, `Mon 14:45:00`, `12 May 14:30:00`. */
export function momentText(at: number, end: number, utc: boolean): string {
  const [day, today] = [axisTime(at, utc, "day"), axisTime(end, utc, "day")];
  const time = axisTime(at, utc, "second");
  if (day === today && end - at < DAY) {
    return time;
  }
  return `${end - at < 6 * DAY ? axisTime(at, utc, "weekday") : day} ${time}`;
}
