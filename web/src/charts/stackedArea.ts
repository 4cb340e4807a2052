// Stacked areas over time, from zero: each band lies on the one before it.

import { scaleLinear } from "d3-scale";
import { select, type Selection } from "d3-selection";
import { areaPath, type Box, drawCross, drawGrid, drawHatch, layers, xOf, type Y } from "./plot";
import { fromZero, rangeOf } from "./scales";

export interface Band {
  key: string;
  values: Float64Array;
}

export interface StackData extends Box {
  /** From the bottom up. A bucket is in all of them or in none. */
  bands: Band[];
}

/** Lower than this, a panel has three ticks at most. */
const LOW = 90; // pixels

export function stackedArea() {
  let tick: (value: number) => string = String;

  function chart(selection: Selection<SVGSVGElement, StackData, Element | null, unknown>): void {
    selection.each(function (data) {
      const { base, height, top, bands } = data;
      layers(this);
      select(this).attr("viewBox", `0 0 ${base.width} ${height}`);
      const sums = stack(bands);
      const axis = fromZero(rangeOf(sums.at(-1) ?? []), height < LOW * base.scale ? 3 : 4);
      const y = scaleLinear(axis.domain, [height - 0.5, top]);
      states.set(this, { data, y, sums });
      select(this)
        .select(".marks")
        .selectAll<SVGPathElement, Band>("path")
        .data(bands, (band) => band.key)
        .join("path")
        .attr("class", (band) => band.key)
        .attr("d", (_, i) => areaPath(sums[i - 1] ?? null, sums[i] as Float64Array, xOf(base), y));
      drawGrid(this, data, axis, y, tick, true);
      drawHatch(this, data);
    });
  }

  chart.tick = (value: (value: number) => string) => ((tick = value), chart);

  /** Moves the crosshair to a bucket; null takes it away. */
  chart.cross = (svg: SVGSVGElement, index: number | null, rise: number): void => {
    const state = states.get(svg);
    if (state !== undefined) {
      drawCross(svg, state.data, index, rise, []);
    }
  };

  /** The height of each band's middle at a bucket; NaN where there is nothing. */
  chart.heights = (svg: SVGSVGElement, index: number): Record<string, number> => {
    const state = states.get(svg);
    const at = (i: number): number => (i < 0 ? 0 : (state?.sums[i]?.[index] ?? NaN));
    return Object.fromEntries((state?.data.bands ?? []).map((band, i) => [band.key, state?.y((at(i) + at(i - 1)) / 2) ?? NaN]));
  };
  return chart;
}

interface State {
  data: StackData;
  y: Y;
  sums: Float64Array[];
}

const states = new WeakMap<SVGSVGElement, State>();

/** Each band's upper edge. */
export function stack(bands: Band[]): Float64Array[] {
  const sums: Float64Array[] = [];
  for (const { values } of bands) {
    const below = sums.at(-1);
    sums.push(values.map((value, i) => value + (below?.[i] ?? 0)));
  }
  return sums;
}
