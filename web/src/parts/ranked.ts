// A ranked table with its rank curve: sites, or clients. Asks for its views, keeps its order calm, moves its window.

import { select } from "d3-selection";
import { rankCurve, step, type RankData } from "../charts/rankCurve";
import { table, type TableData } from "../charts/table";
import * as format from "../data/format";
import { StableOrder } from "../data/order";
import { rankView, type TableRow, tableView, type TableView } from "../data/protocol";
import type { Shown } from "../data/store";
import { element, find, write } from "../dom";
import { cut } from "../measure";
import { type Context, formatOf, pace } from "./context";
import { perSecond, otherWindow, thisWindow } from "./windows";

export interface RankedOptions {
  section: HTMLElement;
  name: "sites" | "clients";
  dimension: string;
  /** The head of the name column. */
  head: string;
  /** The page's numbers for the two views. */
  table: number;
  rank: number;
  onFirst: (first: number) => void;
}

/** Below this width of the table the bar goes under the name; `tables.css` says the same. */
const NARROW = 430; // pixels

export function ranked(options: RankedOptions): { draw(context: Context, first: number): TableView | null } {
  const { section, name } = options;
  const sheet = element("table");
  const box = element("div", { class: "table-box" }, sheet);
  const slider = element("div", { class: "rank-curve" });
  const since = element("span");
  find("h2", section).append(since);
  section.append(box, slider);

  const order = new StableOrder<TableRow>();
  const rows = table().caption(`The ${name} with the most, in order`);
  const curve = rankCurve().label(`Ranks of ${name} shown`).onMove(options.onFirst);
  const tablePace = pace();
  const curvePace = pace();
  let pointed = false;
  let question = "";
  let placed = 0; // the snapshot that the order was last laid out from
  let keysState = { first: 1, rows: 1, last: 1 };
  let ready = false;

  box.addEventListener("pointerenter", () => (pointed = true));
  box.addEventListener("pointerleave", () => (pointed = false));
  sheet.addEventListener("focusin", (event) => rove(sheet, event.target));
  sheet.addEventListener("keydown", onKey);

  function onKey(event: KeyboardEvent): void {
    const row = event.target instanceof HTMLTableRowElement ? event.target : null;
    if (row === null || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      event.preventDefault();
      (next as HTMLElement | null)?.focus();
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      const first = step(event.key, keysState) ?? 1;
      event.preventDefault();
      options.onFirst(Math.min(Math.max(1, first), keysState.last));
    }
  }

  function draw(context: Context, first: number): TableView | null {
    const { store, boxes, measure, window, scale, still } = context;
    const count = context.rows[name];
    const { dimension } = options;
    if (!ready) {
      ready = true;
      boxes.watch(box);
      boxes.watch(slider);
    }
    if (!store.asking(options.table)) {
      store.subscribe({ view: options.table, kind: "table", dimension, measure, window, first, rows: count });
    }
    store.subscribe({ view: options.rank, kind: "rank", dimension, measure, window });

    const shown = store.view(options.table);
    const view = shown === null ? null : tableView(shown.model);
    write(since, otherWindow(shown, window));
    const width = boxes.of(box).width;
    const focus = focusedRow(sheet);
    drawTable(context, shown, view, width, focus >= 0);
    if (focus >= 0 && focusedRow(sheet) < 0) {
      const next = sheet.tBodies[0]?.rows;
      next?.[Math.min(focus, next.length - 1)]?.focus({ preventScroll: true });
    }
    box.style.setProperty("--rows", String(count));

    const ranks = store.view(options.rank);
    const size = boxes.of(slider);
    // While a wanted rank is on its way the window already stands there; the engine has the last word.
    const stands = view !== null && shown?.of.first === first ? view.first : first;
    const data: RankData = { view: ranks === null ? null : rankView(ranks.model), first: stands, rows: view === null ? count : Math.max(1, view.rows.length) };
    keysState = { first: stands, rows: count, last: Math.max(1, (data.view?.points.at(-1)?.rank ?? 1) - count + 1) };
    curve.size(size.width, size.height).scale(scale).duration(curvePace(ranks?.snapshots ?? 0, store.asOf, still));
    select<HTMLElement, RankData>(slider).datum(data).call(curve);
    return view;
  }

  function drawTable(context: Context, shown: Shown | null, view: TableView | null, width: number, focused: boolean): void {
    const { store, ruler } = context;
    const measure = shown?.of.measure ?? context.measure;
    const asked = JSON.stringify(shown?.of ?? null);
    if (asked !== question || (shown?.snapshots ?? 0) !== placed) {
      question = asked;
      placed = shown?.snapshots ?? 0;
      order.reset();
    }
    const list = order.place(view?.rows ?? [], context.now, pointed || focused);
    const digits = format.exact((view?.first ?? 1) + list.length).length;
    box.style.setProperty("--digits", String(digits));
    const room = nameRoom(width, digits, context.scale);
    const value = measure === "bytes" ? "bytes" : "requests";
    const span = shown?.of.window ?? context.window;
    const factor = perSecond(span, view?.coveredMs ?? 0);
    rows
      .heads(options.head, span === "total" ? value : "per s")
      .words(span === "total" ? value : `${value} per second`, `No requests ${thisWindow(span)}`)
      .factor(factor)
      .named(context.named.get(options.dimension) ?? null)
      .format(formatOf(measure))
      .cut((text) => (room > 0 ? cut(text, (part) => ruler.width(part) <= room) : text))
      .duration(tablePace(shown?.snapshots ?? 0, store.asOf, context.still));
    select<HTMLTableElement, TableData>(sheet).datum({ view, rows: list }).call(rows);
  }

  return { draw };
}

/** Pixels for a name, from the widths in `tables.css`. */
function nameRoom(width: number, digits: number, scale: number): number {
  const rank = 7.6 * scale * Math.max(2, digits) + 14;
  return width < NARROW * scale ? width - rank - 74 * scale : width * 0.65 - rank - 124 * scale - 8;
}

/** One row of a table can be reached by Tab: the last that had the focus. */
function rove(sheet: HTMLTableElement, target: EventTarget | null): void {
  if (target instanceof HTMLTableRowElement) {
    for (const row of sheet.querySelectorAll("tr[tabindex='0']")) {
      row.setAttribute("tabindex", "-1");
    }
    target.setAttribute("tabindex", "0");
  }
}

/** The place of the row with the focus, or -1. */
function focusedRow(sheet: HTMLTableElement): number {
  const active = document.activeElement;
  return active instanceof HTMLTableRowElement && sheet.contains(active) ? active.sectionRowIndex : -1;
}
