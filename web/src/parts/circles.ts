// The section of clients x sites: asks for its view, draws the circles, reads out the picked pair or the largest.

import { select } from "d3-selection";
import { matrix, type Picked } from "../charts/matrix";
import * as format from "../data/format";
import { type MatrixCell, type MatrixItem, matrixView, type MatrixView } from "../data/protocol";
import { VIEW } from "../data/store";
import { element, find, write } from "../dom";
import { cut } from "../measure";
import { type Context, formatOf, pace } from "./context";
import { perSecond, otherWindow } from "./windows";

/** Pixels for the sites' names at the left, at most this part of the width. */
const NAMES = 150;
const NAMES_MOST = 0.32;
/** Pixels for the clients' addresses at the foot. */
const FOOT = 110;

export function circles(section: HTMLElement, dirty: () => void): { draw(context: Context): void } {
  const since = element("span");
  const note = element("small");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const box = element("div", { class: "circles" }, svg);
  const readout = element(
    "p",
    { class: "readout" },
    element("b"),
    element("span", { class: "number" }),
    element("span", { class: "hit" }),
    element("span", { class: "error" }),
  );
  find("h2", section).append(since, " ", note);
  section.append(box, readout);
  let picked: Picked | null = null;
  let ready = false;
  let drawnSize = "";
  const steps = pace();
  const chart = matrix().onPick((cell) => {
    if (cell?.row !== picked?.row || cell?.column !== picked?.column) {
      picked = cell;
      dirty();
    }
  });

  function draw({ store, boxes, ruler, measure, window, scale, rows, still }: Context): void {
    if (!ready) {
      ready = true;
      boxes.watch(box);
    }
    store.subscribe({ view: VIEW.matrix, kind: "matrix", dimension: "client,site", measure, window, rows: rows.matrix });
    const shown = store.view(VIEW.matrix);
    const view: MatrixView = shown === null ? { coveredMs: 0, total: 0, rows: [], columns: [], cells: [] } : matrixView(shown.model);
    const unit = shown?.of.measure ?? measure;
    const span = shown?.of.window ?? window;
    const say = (value: number): string => {
      const rate = formatOf(unit)(perSecond(span, view.coveredMs) * value);
      return span !== "total" ? `${rate}/s` : unit === "bytes" ? rate : `${rate} ${unit}`;
    };
    write(since, otherWindow(shown, window));
    write(note, `area: ${unit}, blue: hits, red: errors above 10\u202f%`);
    const size = boxes.of(box);
    const key = `${size.width},${size.height}`;
    const duration = steps(shown?.snapshots ?? 0, store.asOf, still);
    chart
      .size(size.width, size.height)
      .names(Math.min(NAMES * scale, NAMES_MOST * size.width))
      .foot(FOOT * scale)
      .cut((name, width) => cut(name, (part) => ruler.width(part) * (11 / 12) <= width))
      .describe((row, column, cell) => texts(row, column, cell, say).join(", "))
      .picked(picked)
      .duration(key === drawnSize ? duration : 0);
    drawnSize = key;
    svg.setAttribute("aria-label", `Clients in columns, sites in rows: ${unit}`);
    select<SVGSVGElement, MatrixView>(svg).datum(view).call(chart);
    drawReadout(view, say);
  }

  function drawReadout(view: MatrixView, say: (value: number) => string): void {
    const cell = picked === null ? largest(view.cells) : view.cells.find((cell) => cell.row === picked?.row && cell.column === picked?.column);
    const at = picked ?? cell;
    const row = view.rows.find((row) => row.id === at?.row);
    const column = view.columns.find((column) => column.id === at?.column);
    const parts = row === undefined || column === undefined ? [format.MISSING, "", "", ""] : texts(row, column, cell, say);
    [...readout.children].forEach((node, i) => write(node, parts[i] ?? ""));
  }

  return { draw };
}

function texts(row: MatrixItem, column: MatrixItem, cell: MatrixCell | undefined, say: (value: number) => string): string[] {
  const name = `${format.shown(column.name)} × ${format.shown(row.name)}`;
  if (cell === undefined || cell.value === 0) {
    return [name, "none", "", ""];
  }
  const error = cell.error > 0 ? `${format.wholeShare(cell.error, cell.value)} error` : "";
  return [name, say(cell.value), `${format.wholeShare(cell.hit, cell.value)} hit`, error];
}

function largest(cells: MatrixCell[]): MatrixCell | undefined {
  return cells.reduce<MatrixCell | undefined>((most, cell) => (most === undefined || cell.value > most.value ? cell : most), undefined);
}
