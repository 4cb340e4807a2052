// What every time series chart has: the shared x scale, gridlines with ticks, hatches where nothing was recorded, the crosshair.
// A chart is an SVG with room for ticks at the left; all charts of one block share `x` to the pixel.

import { scaleLinear, type ScaleContinuousNumeric } from "d3-scale";
import { select } from "d3-selection";
import { area, line } from "d3-shape";
import { mark, write } from "../dom";
import type { Axis } from "./scales";

/** Buckets without data, from one index up to but not including another. */
export interface Span {
  from: number;
  to: number;
}

/** What the charts of one block share. */
export interface Base {
  /** Pixels of the whole SVG, and of it those left of the plot. */
  width: number;
  left: number;
  /** Buckets between the left edge and the right one. */
  length: number;
  unrecorded: Span | null;
  gaps: readonly Span[];
  /** The text's size, in parts of its usual one. */
  scale: number;
}

export interface Box {
  base: Base;
  height: number;
  /** Pixels at the top that the marks leave free. */
  top: number;
}

export type X = (index: number) => number;
export type Y = ScaleContinuousNumeric<number, number>;

/** Pixels of a bucket's start, from the SVG's left edge. */
export function xOf({ width, left, length }: Base): X {
  const x = scaleLinear([0, Math.max(1, length)], [left, Math.max(left, width)]).clamp(true);
  return (index) => x(index);
}

/** The bucket nearest to a point, of `drawn` ones. */
export function indexAt({ width, left, length }: Base, drawn: number, pixels: number): number {
  const index = Math.round(((pixels - left) / Math.max(1, width - left)) * Math.max(1, length));
  return Math.max(0, Math.min(drawn - 1, index));
}

/** Runs of finite values: lines break between them. */
export function runs(values: ArrayLike<number>): Span[] {
  const list: Span[] = [];
  for (let i = 0; i < values.length; i += 1) {
    const last = list.at(-1);
    if (!Number.isFinite(values[i])) {
      continue;
    }
    if (last?.to === i) {
      last.to = i + 1;
    } else {
      list.push({ from: i, to: i + 1 });
    }
  }
  return list;
}

/** Indexes of a run, and the one behind it: the last bucket's value holds until its end. */
function held({ from, to }: Span): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** The path of a line, broken where there is no value. */
export function linePath(values: ArrayLike<number>, x: X, y: (value: number) => number): string {
  return runs(values)
    .map((run) => line<number>(x, (i) => y(values[Math.min(i, run.to - 1)] as number)).digits(1)(held(run)) ?? "")
    .join("");
}

/** The path of an area between two lines, broken where the upper one has no value. */
export function areaPath(below: ArrayLike<number> | null, above: ArrayLike<number>, x: X, y: (value: number) => number): string {
  return runs(above)
    .map((run) => {
      const at = (i: number): number => Math.min(i, run.to - 1);
      const shape = area<number>(x, (i) => y((below?.[at(i)] ?? 0) as number), (i) => y(above[at(i)] as number));
      return shape.digits(1)(held(run)) ?? "";
    })
    .join("");
}

const LAYERS = ["grid under", "marks", "grid over", "hatch", "ticks", "events", "cross"] as const;

/** The layers of a chart, made once. */
export function layers(svg: SVGSVGElement): void {
  if (svg.firstChild === null) {
    for (const name of LAYERS) {
      select(svg).append("g").attr("class", name);
    }
    const cross = select(svg).select(".cross").attr("display", "none");
    cross.append("line");
    cross.append("g").attr("class", "dots");
  }
}

/** Gridlines, under the marks or over them, and the ticks' texts at the left. */
export function drawGrid(svg: SVGSVGElement, { base, height }: Box, axis: Axis, y: (value: number) => number, text: (value: number) => string, over: boolean): void {
  const { width, left, scale } = base;
  const lines = axis.ticks.map((value) => ({ value, at: Math.round(y(value)) + 0.5 })).filter(({ at }) => at <= height + 1);
  const foot = Math.round(y(axis.domain[0])) + 0.5;
  for (const [layer, ticks] of [
    [".grid.under", over ? [] : lines],
    [".grid.over", over ? lines : []],
  ] as const) {
    select(svg)
      .select(layer)
      .selectAll<SVGLineElement, (typeof lines)[number]>("line")
      .data(ticks, (tick) => tick.value)
      .join("line")
      .attr("class", (tick) => (tick.at === foot ? "base" : null))
      .attr("x1", left)
      .attr("x2", width)
      .attr("y1", (tick) => tick.at)
      .attr("y2", (tick) => tick.at);
  }
  select(svg)
    .select(".ticks")
    .selectAll<SVGTextElement, (typeof lines)[number]>("text")
    .data(lines, (tick) => tick.value)
    .join("text")
    .attr("x", left - 7 * scale)
    .attr("y", (tick) => tick.at + 3.5 * scale)
    .attr("text-anchor", "end")
    .each(function (tick) {
      write(this, text(tick.value));
    });
}

/** Hatches from top to foot; a line marks where recording began. */
export function drawHatch(svg: SVGSVGElement, { base, height }: Box): void {
  const x = xOf(base);
  const spans = [...(base.unrecorded === null ? [] : [base.unrecorded]), ...base.gaps];
  const layer = select(svg).select(".hatch");
  layer
    .selectAll<SVGRectElement, Span>("rect")
    .data(spans)
    .join((enter) => enter.append("rect").attr("fill", "url(#hatch)").attr("y", 0))
    .attr("x", (span) => x(span.from).toFixed(1))
    .attr("width", (span) => Math.max(0, Math.min(x(span.to), base.width) - x(span.from)).toFixed(1))
    .attr("height", height);
  layer
    .selectAll<SVGLineElement, Span>("line")
    .data(base.unrecorded === null ? [] : [base.unrecorded])
    .join("line")
    .attr("x1", (span) => x(span.to).toFixed(1))
    .attr("x2", (span) => x(span.to).toFixed(1))
    .attr("y2", height);
}

/** Something that happened at a bucket, with a few words where there is room for them. */
export interface Event {
  key: string;
  index: number;
  label: string;
}

/** Pixels of a letter of an event's words, about. */
const LETTER = 6.2;

/** A hairline for each event, its part in one chart, `rise` pixels from the chart's top; with its words only where `labelled`. */
export function drawEvents(svg: SVGSVGElement, { base, height }: Box, events: readonly Event[], rise: number, labelled: boolean): void {
  const x = xOf(base);
  const layer = select(svg).select(".events");
  layer
    .selectAll<SVGLineElement, Event>("line")
    .data(events, (event) => event.key)
    .join("line")
    .attr("x1", ({ index }) => Math.round(x(index)) + 0.5)
    .attr("x2", ({ index }) => Math.round(x(index)) + 0.5)
    .attr("y1", rise)
    .attr("y2", height);
  // The newest has its words first; others only where they are on none.
  const taken: [from: number, to: number][] = [];
  const words = (labelled ? [...events].sort((a, b) => b.index - a.index) : []).flatMap((event) => {
    const [at, width] = [x(event.index), event.label.length * LETTER * base.scale];
    const right = at + 6 + width <= base.width;
    const [from, to] = right ? [at, at + 6 + width] : [at - 6 - width, at];
    const fits = from >= 0 && taken.every((other) => to < other[0] || from > other[1]);
    taken.push(fits ? [from, to] : [at, at]);
    return fits ? [{ event, at: right ? at + 6 : at - 6, anchor: right ? "start" : "end" }] : [];
  });
  layer
    .selectAll<SVGTextElement, (typeof words)[number]>("text")
    .data(words, ({ event }) => event.key)
    .join("text")
    .attr("x", ({ at }) => at.toFixed(1))
    .attr("y", 9 * base.scale)
    .attr("text-anchor", ({ anchor }) => anchor)
    .each(function ({ event }) {
      write(this, event.label);
    });
}

export interface Dot {
  key: string;
  y: number;
}

/** The crosshair's part in one chart, `rise` pixels from the chart's top (negative: from above it). */
export function drawCross(svg: SVGSVGElement, { base, height }: Box, index: number | null, rise: number, dots: Dot[]): void {
  const cross = svg.querySelector<SVGGElement>(".cross") as SVGGElement;
  mark(cross, "display", index === null ? "none" : null);
  if (index === null) {
    return;
  }
  mark(cross, "transform", `translate(${Math.round(xOf(base)(index))},0)`);
  mark(cross.firstElementChild as Element, "y1", String(rise));
  mark(cross.firstElementChild as Element, "y2", height.toFixed(1));
  select(cross)
    .select(".dots")
    .selectAll<SVGCircleElement, Dot>("circle")
    .data(dots.filter((dot) => Number.isFinite(dot.y)), (dot) => dot.key)
    .join((enter) => enter.append("circle").attr("r", 3))
    .attr("class", (dot) => dot.key)
    .attr("cy", (dot) => dot.y.toFixed(1));
}
