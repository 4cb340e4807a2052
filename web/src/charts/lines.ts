// Lines over time on one scale, linear or logarithmic; a line may have its area filled.

import { scaleLinear, scaleLog } from "d3-scale";
import { select, type Selection } from "d3-selection";
import { areaPath, type Box, drawCross, drawGrid, drawHatch, layers, linePath, xOf, type Y } from "./plot";
import { type Axis, fromZero, type Range, rangeOf } from "./scales";

export interface Line {
  key: string;
  values: Float64Array;
  filled?: boolean;
}

export interface LineData extends Box {
  /** The last one lies on top. */
  lines: Line[];
}

/** Lower than these, a panel has three ticks at most, and not all decades. */
const LOW = 90; // pixels
const LOW_DECADES = 64; // pixels

export function lines() {
  let tick: (value: number) => string = String;
  let log = false;
  let axisOf: (range: Range | null, most: number, low: boolean) => Axis = fromZero;

  function chart(selection: Selection<SVGSVGElement, LineData, Element | null, unknown>): void {
    selection.each(function (data) {
      const { base, height, top } = data;
      layers(this);
      select(this).attr("viewBox", `0 0 ${base.width} ${height}`);
      const axis = axisOf(rangeOf(...data.lines.map((line) => line.values)), height < LOW * base.scale ? 3 : 4, height < LOW_DECADES * base.scale);
      const y = (log ? scaleLog : scaleLinear)(axis.domain, [height - 0.5, top]).clamp(log);
      states.set(this, { data, y });
      const group = select(this)
        .select(".marks")
        .selectAll<SVGGElement, Line>("g")
        .data(data.lines, (line) => line.key)
        .join((enter) => {
          const group = enter.append("g");
          group.append("path").attr("class", "fill");
          group.append("path").attr("class", "line");
          return group;
        })
        .attr("class", (line) => line.key);
      group.select(".line").attr("d", (line) => linePath(line.values, xOf(base), y));
      group.select(".fill").attr("d", (line) => (line.filled ? areaPath(null, line.values, xOf(base), y) : null));
      drawGrid(this, data, axis, y, tick, false);
      drawHatch(this, data);
    });
  }

  chart.tick = (value: (value: number) => string) => ((tick = value), chart);
  chart.log = (value: boolean) => ((log = value), chart);
  /** How a range of values becomes a domain with ticks. */
  chart.axis = (value: (range: Range | null, most: number, low: boolean) => Axis) => ((axisOf = value), chart);

  /** Moves the crosshair to a bucket; null takes it away. */
  chart.cross = (svg: SVGSVGElement, index: number | null, rise: number): void => {
    const state = states.get(svg);
    if (state !== undefined) {
      const dots = index === null ? [] : state.data.lines.map((line) => ({ key: line.key, y: state.y(line.values[index] ?? NaN) }));
      drawCross(svg, state.data, index, rise, dots);
    }
  };

  /** The height of each line at a bucket; NaN where there is nothing. */
  chart.heights = (svg: SVGSVGElement, index: number): Record<string, number> => {
    const state = states.get(svg);
    return Object.fromEntries((state?.data.lines ?? []).map((line) => [line.key, state?.y(line.values[index] ?? NaN) ?? NaN]));
  };
  return chart;
}

interface State {
  data: LineData;
  y: Y;
}

const states = new WeakMap<SVGSVGElement, State>();
