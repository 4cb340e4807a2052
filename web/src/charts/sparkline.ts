// A sparkline: the last values as one line on a scale of its own, the newest at the right end.
// Takes [value, …], oldest first; draws nothing before two.

import { scaleLinear } from "d3-scale";
import { select, type Selection } from "d3-selection";
import { line } from "d3-shape";

export function sparkline() {
  let width = 64; // pixels
  let height = 14; // pixels
  let slots = 60;

  function chart(selection: Selection<SVGSVGElement, number[], Element | null, unknown>): void {
    selection.each(function (values) {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const y = scaleLinear(low < high ? [low, high] : [low - 1, low + 1], [height - 1, 1]);
      const path = line<number>((_, i) => width - ((values.length - 1 - i) * width) / (slots - 1), y);
      select(this)
        .attr("viewBox", `0 0 ${width} ${height}`)
        .selectAll("path")
        .data([values])
        .join("path")
        .attr("d", values.length > 1 ? (path(values) ?? "") : "");
    });
  }

  chart.size = (w: number, h: number) => ((width = w), (height = h), chart);
  /** How many values fill the width. */
  chart.slots = (value: number) => ((slots = value), chart);
  return chart;
}
