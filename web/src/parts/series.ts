// The cluster's time series: six panels on one x axis. Asks for its view, draws it when it has grown, moves the crosshair at once.

import { select } from "d3-selection";
import { spread } from "../charts/labels";
import { lines, type LineData } from "../charts/lines";
import { type Base, drawEvents, type Event, indexAt } from "../charts/plot";
import { stackedArea, type StackData } from "../charts/stackedArea";
import { type AxisData, timeAxis } from "../charts/timeAxis";
import { momentText } from "../charts/timeTicks";
import { type Frame, filler, timeOf } from "../data/frame";
import * as format from "../data/format";
import { type Changes, label } from "../data/incidents";
import { VIEW } from "../data/store";
import { element, mark, write } from "../dom";
import type { Context } from "./context";
import { crosshair } from "./crosshair";
import { type Look, type Panel, PANELS, type PanelSeries, sentence, seriesOf } from "./panels";
import { pointsTable } from "./pointsTable";
import { ofWindow, thisWindow } from "./windows";

const SVG = "http://www.w3.org/2000/svg";
/** Pixels at the usual text size: left of the plot for ticks; above the first plot for a label, above the others. */
const LEFT = 44;
const TOP_FIRST = 14;
const TOP = 2;
/** From a panel's top to the foot of the one above. */
const RISE = -17;
/** From one label's middle to the next, and from the panel's edges to a label's middle. */
const PITCH = 14;
const EDGE = 7;
/** Heads say of which moment they are when it is over for longer than this. */
const OLD = 3_000; // ms
/** The hatch must be this wide to hold its words. */
const WORDS = 195; // pixels

interface View {
  panel: Panel;
  chart: ReturnType<typeof lines> | ReturnType<typeof stackedArea>;
  plot: HTMLElement;
  svg: SVGSVGElement;
  number: HTMLElement;
  unit: HTMLElement;
  labels: HTMLElement;
}

export interface SeriesBlock {
  draw(context: Context): void;
  /** Draws again what follows the crosshair. */
  follow(): void;
}

export function series(section: HTMLElement, dialog: HTMLDialogElement, changed: () => void, letters: () => boolean): SeriesBlock {
  const box = element("div", { class: "panels" });
  const moment = element("p", { class: "moment" });
  const note = element("p", { class: "note" });
  const views = PANELS.map((panel) => build(panel));
  const axisSvg = document.createElementNS(SVG, "svg");
  const axisBox = element("div", { class: "axis", "aria-hidden": "true" }, axisSvg);
  views.forEach(({ plot, number, unit, labels, panel }, i) => {
    const open = element("button", { type: "button", tabindex: "-1", title: "Show as table" }, panel.title);
    open.addEventListener("click", () => show(panel));
    const head = element("div", { class: "head" }, element("h3", {}, open), element("p", { class: "now" }, number, unit));
    plot.append(...(i === 0 ? [note] : []));
    box.append(element("div", { class: "panel", "data-panel": panel.id }, head, plot, labels, ...(i === 0 ? [moment] : [])));
  });
  section.append(hatch(), box, axisBox);
  const axis = timeAxis();
  const showTable = pointsTable(dialog);
  const fill = filler();
  let context: Context | null = null;
  let frame: Frame | null = null;
  let base: Base = { width: 0, left: LEFT, length: 0, unrecorded: null, gaps: [], scale: 1 };
  let drawnKey = "";
  let followedKey = "";
  let eventsKey = "";
  let window = "";
  let ready = false;

  const cross = crosshair({
    box,
    charts: views.map(({ svg }) => svg),
    left: () => base.left,
    span: () => ({ first: frame?.first ?? 0, last: (frame?.first ?? 0) + (frame?.drawn ?? 0) - 1, at: pickedIndex() === null ? null : (frame?.first ?? 0) + (pickedIndex() ?? 0) }),
    changed,
  });
  box.addEventListener("keydown", onKey);
  box.addEventListener("focusin", (event) => views.forEach(({ svg }) => svg === event.target && rove(svg)));

  function rove(to: SVGSVGElement): void {
    views.forEach(({ svg }) => mark(svg, "tabindex", svg === to ? "0" : "-1"));
  }

  function onKey(event: KeyboardEvent): void {
    const at = views.findIndex(({ svg }) => svg === event.target);
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      views[at + (event.key === "ArrowDown" ? 1 : -1)]?.svg.focus();
    } else if (event.key === "t" && letters()) {
      event.preventDefault();
      show((views[at] as View).panel);
    }
  }

  function show(panel: Panel): void {
    if (frame !== null && context !== null) {
      showTable(panel, frame, context.utc);
    }
  }

  /** The bucket under the crosshair; null without one. */
  function pickedIndex(): number | null {
    if (cross.at === null || frame === null || frame.drawn === 0) {
      return null;
    }
    return "x" in cross.at ? indexAt(base, frame.drawn, cross.at.x) : Math.max(0, Math.min(frame.drawn - 1, cross.at.bucket - frame.first));
  }

  function draw(next: Context): void {
    context = next;
    const { store, boxes, scale } = next;
    if (!ready) {
      ready = true;
      views.forEach(({ plot }) => boxes.watch(plot));
    }
    store.subscribe({ view: VIEW.series, kind: "series", window: next.window });
    const { ring } = store.series;
    if (window !== next.window) {
      window = next.window;
      cross.at = null;
    }
    const sizes = views.map(({ plot }) => boxes.of(plot));
    const key = JSON.stringify([store.series.window, ring?.version, sizes, scale]);
    if (key !== drawnKey) {
      drawnKey = key;
      frame = ring === null || ring.step === 0 ? null : fill(ring);
      base = { width: sizes[0]?.width ?? 0, left: LEFT * scale, length: frame?.length ?? 0, unrecorded: frame?.unrecorded ?? null, gaps: frame?.gaps ?? [], scale };
      if (base.width > 0) {
        views.forEach((one, i) => drawPanel(one, sizes[i]?.height ?? 0, i));
      }
    }
    const events = frame === null ? [] : eventsOf(frame, store.changes, next.utc);
    const eventKey = JSON.stringify([key, events, next.phone]);
    if (eventKey !== eventsKey && base.width > 0) {
      eventsKey = eventKey;
      views.forEach(({ svg }, i) => {
        const rise = i === 0 || next.phone ? 0 : RISE;
        drawEvents(svg, { base, height: sizes[i]?.height ?? 0, top: 0 }, events, rise * scale, i === 0);
      });
    }
    drawNote(next);
    follow();
  }

  function drawPanel({ panel, chart, svg }: View, height: number, i: number): void {
    const shared = { base, height, top: (i === 0 ? TOP_FIRST : TOP) * base.scale };
    const series = seriesOf(panel, frame);
    const list = [...series.filter(({ over }) => !over), ...series.filter(({ over }) => over)].map(({ column, filled }) => ({ key: column, values: frame?.columns[column] ?? new Float64Array(), filled: filled === true }));
    if (panel.marks === "bands") {
      const data: StackData = { ...shared, bands: list };
      select<SVGSVGElement, StackData>(svg).datum(data).call(chart as ReturnType<typeof stackedArea>);
    } else {
      const data: LineData = { ...shared, lines: list };
      select<SVGSVGElement, LineData>(svg).datum(data).call(chart as ReturnType<typeof lines>);
    }
  }

  function follow(): void {
    if (context === null || base.width === 0) {
      return;
    }
    const { utc, phone, store } = context;
    const picked = pickedIndex();
    const at = picked ?? (frame?.drawn ?? 0) - 1;
    const time = frame === null || at < 0 ? null : timeOf(frame, at);
    const old = time !== null && frame !== null && store.asOf - (time + frame.step * 1000) > OLD;
    const key = `${drawnKey} ${picked} ${utc} ${phone} ${old}`;
    if (key === followedKey) {
      return;
    }
    followedKey = key;
    const look: Look = (column) => frame?.columns[column][at] ?? NaN;
    const [from, to] = frame === null ? [0, 0] : [timeOf(frame, 0), timeOf(frame, frame.length)];
    const text = (ms: number): string => momentText(ms, to, utc);
    const times = { from: text(from), to: text(to), at: time === null ? "" : text(time) };
    views.forEach(({ panel, chart, svg, number, unit, labels }, i) => {
      const rise = i === 0 ? TOP_FIRST : phone ? 0 : RISE;
      chart.cross(svg, picked, rise * base.scale);
      const [value, of] = panel.head(look);
      write(number, value);
      write(unit, of);
      mark(svg, "aria-label", sentence(panel, frame, at, times));
      drawLabels(labels, seriesOf(panel, frame), look, chart.heights(svg, at), context?.boxes.of(svg.parentElement as Element).height ?? 0, phone);
    });
    write(moment, old && time !== null ? `at ${text(time)}` : "");
    const data: AxisData = { base, from, to, utc, cross: picked === null || time === null ? null : { index: picked, at: time } };
    select<SVGSVGElement, AxisData>(axisSvg).datum(data).call(axis);
  }

  function drawLabels(list: HTMLElement, series: PanelSeries[], look: Look, heights: Record<string, number>, height: number, phone: boolean): void {
    const { scale } = base;
    select(list)
      .selectAll<HTMLLIElement, PanelSeries>("li")
      .data(series, ({ column }) => column)
      .join((enter) => enter.append(() => element("li", {}, element("span", { class: "name" }), element("span", { class: "value" }))))
      .attr("class", ({ column }) => column)
      .each(function ({ name, brief, value, briefValue }) {
        write(this.children[0] as Element, phone ? brief : name);
        write(this.children[1] as Element, phone && brief === "" ? "" : ((phone ? briefValue : undefined) ?? value)(look));
        this.hidden = phone && brief === "";
      });
    // Where a moment has no value, its label keeps the place it had.
    const items = [...list.children] as HTMLElement[];
    const wanted = items.map((item, i) => ({ item, at: heights[series[i]?.column ?? ""] ?? NaN, i }));
    wanted.forEach((one) => (one.at = Number.isFinite(one.at) ? one.at : (places.get(one.item) ?? height / 2 - one.i)));
    wanted.sort((a, b) => a.at - b.at || b.i - a.i);
    const spreads = spread(wanted.map(({ at }) => at), PITCH * scale, EDGE * scale, height - EDGE * scale);
    wanted.forEach(({ item, at }, i) => {
      places.set(item, at);
      const move = phone ? "none" : `translateY(${((spreads[i] ?? 0) - EDGE * scale).toFixed(1)}px)`;
      if (item.style.getPropertyValue("transform") !== move) {
        item.style.setProperty("transform", move);
      }
    });
  }

  /** What a panel without marks has to say. */
  function drawNote({ store, window: wanted, utc, scale, status }: Context): void {
    const plot = Math.max(0, base.width - base.left);
    const hatched = frame?.unrecorded === null || frame === null ? 0 : (frame.unrecorded.to / Math.max(1, frame.length)) * plot;
    let text = "";
    if (store.refused(VIEW.series) !== null && frame === null) {
      text = "This engine keeps no time series";
    } else if (frame !== null && store.series.window !== wanted && !store.asking(VIEW.series)) {
      text = `No series ${ofWindow(wanted)} is kept,\nthis is the one ${ofWindow(store.series.window ?? "total")}`;
    } else if (frame !== null && frame.drawn > 0 && frame.columns.requests.every((value) => !(value > 0)) && frame.columns.requests.some((value) => value === 0)) {
      text = `No requests ${thisWindow(store.series.window ?? "total")}`;
    } else if (frame !== null && hatched >= WORDS * scale) {
      const bucket = timeOf(frame, frame.unrecorded?.to ?? 0);
      const since = status?.countingSince ?? 0;
      const began = since >= bucket && since < bucket + frame.step * 1000 ? since : bucket;
      text = `Not recorded before ${momentText(began, timeOf(frame, frame.length), utc)},\nwhen counting began`;
    }
    write(note, text);
    note.hidden = text === "";
  }

  return { draw, follow };
}

/** What happened within a frame; a node's silence is told elsewhere. */
function eventsOf(frame: Frame, changes: Changes | null, utc: boolean): Event[] {
  return (changes?.incidents ?? [])
    .filter(({ silentNode }) => silentNode === null)
    .map((incident) => {
      const index = Math.floor(incident.since / (frame.step * 1000)) - frame.first;
      const time = format.clock(incident.since, utc).slice(0, -3);
      return { key: String(incident.since), index, label: `${time} ${label(incident)}` };
    })
    .filter(({ index }) => index >= 0 && index < frame.length);
}

const places = new WeakMap<Element, number>();

function build(panel: Panel): View {
  const svg = document.createElementNS(SVG, "svg");
  mark(svg, "role", "img");
  mark(svg, "tabindex", panel === PANELS[0] ? "0" : "-1");
  const chart = panel.marks === "bands" ? stackedArea().tick(panel.tick) : lines().tick(panel.tick).log(panel.log === true);
  if ("axis" in chart && panel.axis !== undefined) {
    chart.axis(panel.axis);
  }
  return {
    panel,
    chart,
    svg,
    plot: element("div", { class: "plot" }, svg),
    number: element("span", { class: "number" }, format.MISSING),
    unit: element("span", { class: "unit" }),
    labels: element("ul", { class: "labels", "aria-hidden": "true" }),
  };
}

/** The pattern that all charts hatch with. */
function hatch(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "patterns");
  svg.setAttribute("aria-hidden", "true");
  select(svg)
    .append("defs")
    .append("pattern")
    .attr("id", "hatch")
    .attr("width", 6)
    .attr("height", 6)
    .attr("patternUnits", "userSpaceOnUse")
    .attr("patternTransform", "rotate(45)")
    .append("line")
    .attr("y2", 6)
    .attr("x1", 0.5)
    .attr("x2", 0.5);
  return svg;
}

