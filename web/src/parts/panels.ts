// The six panels of the cluster's time series: what each draws and how its numbers are written.

import type { Column, Frame } from "../data/frame";
import * as format from "../data/format";
import { around, type Axis, decades, fromZero, percents, type Range } from "../charts/scales";

/** A value of one moment; NaN where there is none. */
export type Look = (column: Column) => number;

export interface PanelSeries {
  column: Column;
  /** Name beside the chart, and the shorter one of a narrow page; empty where the narrow page says it elsewhere. */
  name: string;
  brief: string;
  value: (look: Look) => string;
  /** The value of a narrow page, where it differs. */
  briefValue?: (look: Look) => string;
  filled?: boolean;
  /** On top of the other lines. */
  over?: boolean;
  /** Left out while all of its values are 0. */
  rare?: boolean;
}

export interface Panel {
  id: string;
  title: string;
  /** Bands lie on each other, lines on one scale. */
  marks: "bands" | "lines";
  log?: boolean;
  axis?: (range: Range | null, most: number, low: boolean) => Axis;
  /** From the bottom up. */
  series: PanelSeries[];
  tick: (value: number) => string;
  /** The head's number and its unit, and the column that the panel's sentence is about. */
  head: (look: Look) => readonly [number: string, unit: string];
  main: Column;
  /** What the sentence and the table call it, and how they say a value. */
  subject: string;
  spoken: (value: number) => string;
}

const rate = (value: number, unit: string): string => (Number.isFinite(value) ? per(value) + unit : format.MISSING);
const per = (value: number): string => format.count(steady(value));
const size = (value: number): string => (Number.isFinite(value) ? format.bytes(steady(value)) : format.MISSING);
const time = (value: number): string => (Number.isFinite(value) ? format.duration(value) : format.MISSING);
const percent = (value: number): string => (Number.isFinite(value) ? format.share(value, 100) : format.MISSING);

/** A rate from 10 to 1 000 needs no fraction. */
function steady(value: number): number {
  return value >= 10 && value < 999.5 ? Math.round(value) : value;
}

/** A text's number and its unit, which goes on with `more`. */
function parted(text: string, more: string): readonly [number: string, unit: string] {
  if (text === format.MISSING) {
    return [text, ""];
  }
  const [number, unit] = format.apart(text);
  return [number, unit + more];
}

function ofKnown(column: Column): { value: (look: Look) => string; briefValue: (look: Look) => string } {
  const known = (look: Look): number => look("requests") - look("unknown");
  const there = (look: Look): boolean => Number.isFinite(look(column));
  return {
    value: (look) => (there(look) ? format.share(look(column), known(look)) : format.MISSING),
    briefValue: (look) => (there(look) ? format.wholeShare(look(column), known(look)).replace(/\u202f%$/, column === "error" ? "$&" : "") : format.MISSING),
  };
}

export const PANELS: readonly Panel[] = [
  {
    id: "requests",
    title: "Requests",
    marks: "bands",
    series: [
      { column: "hit", name: "hit", brief: "hit", ...ofKnown("hit") },
      { column: "refresh", name: "refresh hit", brief: "refresh", ...ofKnown("refresh") },
      { column: "miss", name: "miss", brief: "miss", ...ofKnown("miss") },
      { column: "error", name: "error", brief: "error", ...ofKnown("error"), briefValue: ofKnown("error").value },
      { column: "unknown", name: "no code", brief: "no code", value: (look) => rate(look("unknown"), "/s"), rare: true },
    ],
    tick: format.tick,
    head: (look) => parted(per(look("requests")), "/s"),
    main: "requests",
    subject: "Requests per second",
    spoken: (value) => format.spoken(steady(value)),
  },
  {
    id: "bytes",
    title: "Bytes",
    marks: "lines",
    axis: fromZero,
    series: [
      { column: "origin", name: "from origin", brief: "from origin", value: (look) => size(look("origin")) },
      { column: "bytes", name: "to clients", brief: "to clients", value: (look) => size(look("bytes")) },
    ],
    tick: (value) => format.tick(value, "B"),
    head: (look) => parted(size(look("bytes")), "/s"),
    main: "bytes",
    subject: "Bytes to clients per second",
    spoken: (value) => format.spokenBytes(steady(value)),
  },
  {
    id: "ratio",
    title: "Hit ratio",
    marks: "lines",
    axis: percents,
    series: [
      { column: "byteRatio", name: "of bytes", brief: "of bytes", value: (look) => percent(look("byteRatio")) },
      { column: "hitRatio", name: "of requests", brief: "of requests", value: (look) => percent(look("hitRatio")) },
    ],
    tick: (value) => `${value}\u202f%`,
    head: (look) => parted(percent(look("hitRatio")), ""),
    main: "hitRatio",
    subject: "Hit ratio of requests",
    spoken: (value) => `${value.toFixed(1)} percent`,
  },
  {
    id: "time",
    title: "Response time",
    marks: "lines",
    log: true,
    axis: (range, _, low) => decades(range, low),
    series: [
      { column: "p50", name: "p50", brief: "p50", value: (look) => time(look("p50")) },
      { column: "p95", name: "p95", brief: "", value: (look) => time(look("p95")), over: true },
      { column: "p99", name: "p99", brief: "p99", value: (look) => time(look("p99")) },
    ],
    tick: format.durationTick,
    head: (look) => parted(time(look("p95")), " p95"),
    main: "p95",
    subject: "Response time, 95th percentile",
    spoken: (value) => (value < 999.5 ? `${Math.round(value)} milliseconds` : `${(value / 1000).toFixed(1)} seconds`),
  },
  {
    id: "failures",
    title: "4xx and 5xx",
    marks: "lines",
    axis: fromZero,
    series: [
      { column: "status4xx", name: "4xx", brief: "4xx", value: (look) => rate(look("status4xx"), "/s") },
      { column: "status5xx", name: "5xx", brief: "5xx", value: (look) => rate(look("status5xx"), "/s"), filled: true },
    ],
    tick: format.tick,
    head: (look) => parted(per(look("failed")), "/s"),
    main: "failed",
    subject: "4xx and 5xx responses per second",
    spoken: (value) => format.spoken(steady(value)),
  },
  {
    id: "active",
    title: "Active clients",
    marks: "lines",
    axis: around,
    series: [{ column: "clients", name: "unique, ±1\u202f%", brief: "unique, ±1\u202f%", value: () => "" }],
    tick: format.tick,
    head: (look) => [Number.isFinite(look("clients")) ? format.exact(look("clients")) : format.MISSING, ""],
    main: "clients",
    subject: "Unique clients",
    spoken: format.exact,
  },
];

/** The series of a panel that a frame has something of. */
export function seriesOf(panel: Panel, frame: Frame | null): PanelSeries[] {
  return panel.series.filter(({ rare, column }) => rare !== true || frame?.columns[column].some((value) => value > 0) === true);
}

/** Less than this part is no trend. */
const TREND = 0.05;

/** One sentence for who cannot see the panel: its range, its value now or at the crosshair, its trend. */
export function sentence(panel: Panel, frame: Frame | null, index: number, times: { from: string; to: string; at: string }): string {
  const values = (frame?.columns[panel.main] ?? new Float64Array()).filter(Number.isFinite);
  if (frame === null || values.length === 0) {
    return `${panel.subject}: nothing recorded in this window.`;
  }
  const look: Look = (column) => frame.columns[column][index] ?? NaN;
  const now = look(panel.main);
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const range = panel.spoken(low) === panel.spoken(high) ? `steady at ${panel.spoken(low)}` : `between ${panel.spoken(low)} and ${panel.spoken(high)}`;
  const parts = panel.series.length < 2 ? "" : seriesOf(panel, frame).map((series) => `${series.name} ${series.value(look)}`).join(", ");
  const value = Number.isFinite(now) ? `; at ${times.at} ${panel.spoken(now)}${parts === "" ? "" : ` (${parts})`}` : `; at ${times.at} nothing`;
  return `${panel.subject} from ${times.from} to ${times.to}: ${range}${value}${trend(values)}.`;
}

function trend(values: Float64Array): string {
  const part = Math.floor(values.length / 4);
  if (part === 0) {
    return "";
  }
  const mean = (list: Float64Array): number => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [early, late] = [mean(values.subarray(0, part)), mean(values.subarray(-part))];
  const change = early > 0 ? (late - early) / early : late > 0 ? 1 : 0;
  return change > TREND ? ", rising" : change < -TREND ? ", falling" : "";
}
