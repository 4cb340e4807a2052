// The time axis of a block of charts: round moments, the moment at its right end, and the crosshair's in place of what is near it.

import { select, type Selection } from "d3-selection";
import { write } from "../dom";
import { type Base, xOf } from "./plot";
import { momentText, type TimeTick, timeTicks } from "./timeTicks";

export interface AxisData {
  base: Base;
  /** Milliseconds since the epoch at the edges; a zone. */
  from: number;
  to: number;
  utc: boolean;
  /** The bucket under the crosshair, and its moment. */
  cross: { index: number; at: number } | null;
}

interface Label {
  id: string;
  x: number;
  text: string;
  anchor: "start" | "middle" | "end";
}

/** Pixels at the usual text size: a label for each of these, and what it keeps from the crosshair's and from the end's. */
const EACH = 105;
const FROM_CROSS = 46;
const FROM_END = 84;

export function timeAxis() {
  let key = "";
  let ticks: TimeTick[] = [];

  function chart(selection: Selection<SVGSVGElement, AxisData, Element | null, unknown>): void {
    selection.each(function (data) {
      const { base, from, to, utc } = data;
      const next = `${from},${to},${base.width},${base.scale},${utc}`;
      if (next !== key) {
        key = next;
        ticks = to > from ? timeTicks(from, to, Math.max(2, (base.width - base.left) / (EACH * base.scale)), utc) : [];
      }
      if (this.firstChild === null) {
        select(this).append("line").attr("class", "base").attr("y1", 0.5).attr("y2", 0.5);
      }
      select(this).select("line.base").attr("x1", base.left).attr("x2", base.width);
      select(this)
        .attr("viewBox", `0 0 ${base.width} ${20 * base.scale}`)
        .selectAll<SVGGElement, Label>("g")
        .data(axisLabels(data, ticks), (label) => label.id)
        .join((enter) => {
          const group = enter.append("g");
          group.append("line").attr("y1", 0.5).attr("y2", 4.5);
          group.append("text");
          return group;
        })
        .attr("class", (label) => (label.id === "cross" ? "moment" : null))
        .attr("transform", (label) => `translate(${label.x.toFixed(1)},0)`)
        .select<SVGTextElement>("text")
        .attr("y", 15 * base.scale)
        .attr("text-anchor", (label) => label.anchor)
        .each(function (label) {
          write(this, label.text);
        });
    });
  }

  return chart;
}

/** What the axis says, left to right; where two would touch, the end and the crosshair stay. */
export function axisLabels({ base, from, to, utc, cross }: AxisData, ticks: readonly TimeTick[]): Label[] {
  if (!(to > from)) {
    return [];
  }
  const { width, left, scale } = base;
  const labels = ticks
    .map((tick): Label => ({ id: String(tick.at), x: left + ((tick.at - from) / (to - from)) * (width - left), text: tick.text, anchor: "middle" }))
    .filter((label) => label.x - left >= 14 * scale && width - label.x >= FROM_END * scale);
  labels.push({ id: "end", x: width, text: momentText(to, to, utc), anchor: "end" });
  if (cross === null) {
    return labels;
  }
  const x = xOf(base)(cross.index);
  const text = momentText(cross.at, to, utc);
  const half = 3.6 * scale * text.length;
  const anchor = x + half > width ? "end" : x - half < left ? "start" : "middle";
  const apart = (label: Label): boolean => Math.abs(label.x - (label.anchor === "end" ? 26 * scale : 0) - x) >= (FROM_CROSS + (text.length > 8 ? 14 : 0)) * scale;
  return [...labels.filter(apart), { id: "cross", x, text, anchor }];
}
