// The rank curve: the value of every rank (x logarithmic, y linear), and the window of the ranks that a table shows.
// The window is a slider: dragged, clicked or moved by keys, it tells `onMove` the first rank that is wanted.

import { drag } from "d3-drag";
import { easeCubicOut } from "d3-ease";
import { scaleLinear, scaleLog, type ScaleLogarithmic } from "d3-scale";
import { select, type Selection } from "d3-selection";
import { area, line } from "d3-shape";
import "d3-transition";
import { exact, wholeShare } from "../data/format";
import type { RankPoint, RankView } from "../data/protocol";
import { mark, write } from "../dom";

export interface RankData {
  view: RankView | null;
  /** The first rank shown, from 1, and how many a table shows at once. */
  first: number;
  rows: number;
}

/** Pixels at the usual text size that a tick's label keeps from the end's, and from the one before it. */
const FROM_END = 96;
const FROM_LABEL = 84;
/** The window is never drawn, nor hit, narrower than this. */
const NARROWEST = 6; // pixels
const AXIS = 20; // pixels under the curve
const LETTER = 6.5; // pixels, of the window's label

type Box = Selection<HTMLElement, RankData, Element | null, unknown>;

export function rankCurve() {
  let width = 0; // pixels
  let height = 58; // pixels, axis included
  let scale = 1; // of the text
  let duration = 250; // ms
  let label = "";
  let onMove: (first: number) => void = () => {};

  function chart(selection: Box): void {
    selection.each(function (data) {
      const svg = build(this);
      mark(this, "aria-label", label);
      if (width > 0) {
        draw(this, svg, data);
      }
    });
  }

  function draw(node: HTMLElement, svg: SVGSVGElement, { view, first, rows }: RankData): void {
    const root = select(svg).attr("viewBox", `0 0 ${width} ${height}`);
    const plot = height - AXIS * scale;
    const points = view?.points ?? [];
    const end = points.at(-1)?.rank ?? 1;
    const keys = Math.max(view?.keys ?? 0, end);
    const x = scaleLog([1, Math.max(end, 2)], [0, width]);
    const y = scaleLinear([0, points[0]?.value || 1], [plot, 1]);
    const last = Math.max(1, end - rows + 1);
    states.set(node, { x, rows, last, first });

    root.select(".area").attr("d", area<RankPoint>((p) => x(p.rank), plot, (p) => y(p.value))(points) ?? "");
    root.select(".line").attr("d", line<RankPoint>((p) => x(p.rank), (p) => y(p.value))(points) ?? "");
    root.select(".base").attr("x2", width).attr("y1", plot).attr("y2", plot);

    const to = Math.min(end, first + rows - 1);
    const from = Math.min(x(first), width - NARROWEST);
    const span = Math.max(NARROWEST, Math.min(x(Math.max(to, 1)), width) - from);
    const pane = root.select<SVGGElement>(".window").attr("display", points.length === 0 ? "none" : null);
    const dragged = node.classList.contains("dragged");
    // Only a window that moves slides: one that a new size put elsewhere stands there at once.
    const size = `${width},${height},${scale}`;
    const slide = duration > 0 && !dragged && pane.attr("data-span") !== null && node.getAttribute("data-size") === size;
    mark(node, "data-size", size);
    const text = `rows ${exact(first)} to ${exact(to)}`;
    const changed = pane.attr("data-span") !== `${from},${span}`;
    if (changed) {
      pane.attr("data-span", `${from},${span}`);
      (slide ? pane.transition().duration(duration).ease(easeCubicOut) : pane.interrupt()).attr("transform", `translate(${from},0)`);
      const rect = pane.select<SVGRectElement>("rect").attr("height", plot);
      (slide ? rect.transition().duration(duration).ease(easeCubicOut) : rect.interrupt()).attr("width", span);
      const edge = pane.select<SVGLineElement>("line").attr("y2", plot);
      (slide ? edge.transition().duration(duration).ease(easeCubicOut) : edge.interrupt()).attr("transform", `translate(${span},0)`);
      // The label stands right of the window, else left of it, else inside.
      const long = LETTER * scale * text.length + 6;
      const right = width - from - span >= long;
      const at = right ? span + 6 : from >= long ? -6 : span - 6;
      pane.select("text").attr("x", at).attr("y", 12 * scale).attr("text-anchor", right ? "start" : "end");
    }
    write(pane.select("text").node() as Element, text);

    root
      .selectAll<SVGGElement, Tick>(".tick")
      .data(ticks(points, view?.total ?? 0, keys, x, width, scale), (tick) => tick.id)
      .join((enter) => {
        const g = enter.append("g").attr("class", "tick");
        g.append("line").attr("y2", 4);
        g.append("text");
        return g;
      })
      .attr("transform", (tick) => `translate(${tick.x},${plot})`)
      .each(function (tick) {
        write(this.lastElementChild as Element, tick.text);
        mark(this.lastElementChild as Element, "text-anchor", tick.anchor);
        mark(this.lastElementChild as Element, "y", String(15 * scale));
      });

    mark(node, "aria-valuemin", "1");
    mark(node, "aria-valuemax", String(last));
    mark(node, "aria-valuenow", String(Math.min(first, last)));
    mark(node, "aria-valuetext", points.length === 0 ? "no rows" : `${text} of ${exact(keys)}`);
    mark(node, "data-last", String(end));
  }

  /** The slider's element and its drawing, made once. */
  function build(node: HTMLElement): SVGSVGElement {
    const held = node.querySelector("svg");
    if (held !== null) {
      return held;
    }
    mark(node, "role", "slider");
    mark(node, "tabindex", "0");
    mark(node, "aria-orientation", "horizontal");
    const svg = select(node).append("svg").attr("aria-hidden", "true");
    svg.append("path").attr("class", "area");
    const pane = svg.append("g").attr("class", "window");
    pane.append("rect");
    pane.append("line");
    svg.append("path").attr("class", "line");
    svg.append("line").attr("class", "base");
    pane.append("text");
    listen(node, svg.node() as SVGSVGElement);
    return svg.node() as SVGSVGElement;
  }

  function listen(node: HTMLElement, svg: SVGSVGElement): void {
    let grip = 0; // ranks are kept relative to where the window was taken, in pixels
    const ask = (first: number): void => {
      const state = states.get(node);
      if (state !== undefined) {
        onMove(Math.round(Math.min(Math.max(1, first), state.last)));
      }
    };
    select(svg as Element).call(
      drag<Element, unknown>()
        .container(svg)
        .on("start", (event: { x: number }) => {
          const state = states.get(node);
          if (state === undefined) {
            return;
          }
          node.classList.add("dragged");
          node.focus({ preventScroll: true });
          const { x, first, rows } = state;
          const [from, to] = [x(first), x(first + rows - 1)];
          if (event.x < from || event.x > Math.max(to, from + NARROWEST)) {
            ask(x.invert(event.x) - (rows - 1) / 2);
            grip = 0;
          } else {
            grip = event.x - from;
          }
        })
        .on("drag", (event: { x: number }) => {
          const state = states.get(node);
          if (state !== undefined) {
            ask(state.x.invert(Math.max(0, event.x - grip)));
          }
        })
        .on("end", () => node.classList.remove("dragged")),
    );
    node.addEventListener("keydown", (event) => {
      const state = states.get(node);
      if (state === undefined || event.ctrlKey || event.altKey || event.metaKey) {
        return;
      }
      const first = step(event.key, state);
      if (first !== null) {
        event.preventDefault();
        event.stopPropagation();
        ask(first);
      }
    });
  }

  /** Pixels of the curve with its axis. */
  chart.size = (w: number, h: number) => ((width = w), (height = h), chart);
  /** The text's size, in parts of its usual one. */
  chart.scale = (value: number) => ((scale = value), chart);
  chart.duration = (ms: number) => ((duration = ms), chart);
  chart.label = (text: string) => ((label = text), chart);
  chart.onMove = (run: (first: number) => void) => ((onMove = run), chart);
  return chart;
}

interface SliderState {
  x: ScaleLogarithmic<number, number>;
  rows: number;
  last: number;
  first: number;
}

const states = new WeakMap<HTMLElement, SliderState>();

/** The first rank that a key asks for. */
export function step(key: string, { first, rows, last }: { first: number; rows: number; last: number }): number | null {
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return first + 1;
    case "ArrowLeft":
    case "ArrowDown":
      return first - 1;
    case "PageDown":
      return first + rows;
    case "PageUp":
      return first - rows;
    case "Home":
      return 1;
    case "End":
      return last;
    default:
      return null;
  }
}

interface Tick {
  id: string;
  x: number;
  text: string;
  anchor: "start" | "middle" | "end";
}

function ticks(points: RankPoint[], total: number, keys: number, x: (rank: number) => number, width: number, scale: number): Tick[] {
  const end = points.at(-1)?.rank ?? 0;
  if (end < 2) {
    return [{ id: "1", x: 0, text: "rank 1", anchor: "start" }];
  }
  const held: Tick[] = [{ id: "1", x: 0, text: "rank 1", anchor: "start" }];
  let before = -4; // the first label starts at the edge, not around it
  for (let rank = 10; rank < end; rank *= 10) {
    const at = x(rank);
    if (width - at >= FROM_END * scale && at - before >= FROM_LABEL * scale) {
      held.push({ id: String(rank), x: at, text: `top ${exact(rank)}: ${wholeShare(cumulative(points, rank), total)}`, anchor: "middle" });
      before = at;
    }
  }
  return [...held, { id: "end", x: width, text: exact(keys), anchor: "end" }];
}

/** The sum of ranks 1 to `rank`, between two points by the straight line. */
export function cumulative(points: RankPoint[], rank: number): number {
  let before: RankPoint = { rank: 0, value: 0, cumulative: 0 };
  for (const point of points) {
    if (point.rank >= rank) {
      const part = (rank - before.rank) / (point.rank - before.rank);
      return before.cumulative + part * (point.cumulative - before.cumulative);
    }
    before = point;
  }
  return before.cumulative;
}
