// A ranked table: one row a name, its hits drawn over its whole, the rest of all rows below.
// Rows are matched by id, keep their element when they move, and slide to their new place.

import { easeCubicOut } from "d3-ease";
import { local, select, type Selection } from "d3-selection";
import "d3-transition";
import { count, exact, MISSING, share, shown, spoken } from "../data/format";
import type { Placed } from "../data/order";
import type { TableRow, TableView } from "../data/protocol";
import { mark, write } from "../dom";

export interface TableData {
  view: TableView | null;
  rows: Placed<TableRow>[];
}

/** The parts of a thousand that an error part must exceed to be drawn. */
const ERROR_SHOWN = 0.012;
/** A bound above this part of a value makes the value approximate. */
const BOUND_SHOWN = 0.01;
/** The bar's own units across the largest row. */
const BAR = 1000;

type Sheet = Selection<HTMLTableElement, TableData, Element | null, unknown>;

export function table() {
  let caption = "";
  let names = "";
  let values = "";
  let unit = "requests";
  let empty = "";
  let format: (value: number) => string = count;
  let cut: (name: string) => string = (name) => name;
  let factor = 1;
  let named: ReadonlySet<string> | null = null;
  let duration = 250; // ms
  const place = local<number>();

  function chart(selection: Sheet): void {
    selection.each(function (data) {
      const sheet = build(this);
      write(sheet.caption, caption);
      write(sheet.names, names);
      write(sheet.values, values);
      const { view, rows } = data;
      const most = rows.reduce((max, row) => Math.max(max, row.value + row.bound), 0) || 1;
      const row = select(sheet.body)
        .selectAll<HTMLTableRowElement, Placed<TableRow>>("tr")
        .data(rows, (row) => row.id)
        .join(
          (enter) => enter.append(rowElement),
          (update) => update,
          (exit) => exit.interrupt().remove(),
        );
      row.order();
      row.each(function (row, i) {
        drawRow(this, row, i, view, most);
      });
      const held = sheet.body.querySelector("tr[tabindex='0']");
      if (held === null) {
        sheet.body.querySelector("tr")?.setAttribute("tabindex", "0");
      }
      drawOthers(sheet.others, view, rows.length);
    });
  }

  function written(value: number): string {
    return format(factor * value);
  }

  function drawRow(node: HTMLTableRowElement, row: Placed<TableRow>, i: number, view: TableView | null, most: number): void {
    const [rank, name, bar, value, part] = node.cells;
    const total = view?.total.value ?? 0;
    const first = view?.first ?? 1;
    const about = row.bound > BOUND_SHOWN * row.value;
    const label = shown(row.name);
    mark(node, "data-key", row.name);
    mark(node, "data-rank", String(first + i));
    mark(node, "data-bound", String(row.bound));
    mark(node, "data-hit", String(row.hit));
    mark(node, "data-miss", String(row.miss));
    mark(node, "data-error", String(row.error));
    node.classList.toggle("left", row.left);
    node.classList.toggle("named", named?.has(row.name) === true);
    node.setAttribute("aria-label", `${describe(row, label, first + i, total, about)}${named?.has(row.name) === true ? ", named by what changed" : ""}`);
    write(rank as Element, row.left ? MISSING : exact(first + i));
    write(name as Element, cut(label));
    mark(name as Element, "title", row.left ? `${label}, no longer among these ranks` : label);
    mark(value as Element, "data-value", String(row.value));
    write(value as Element, (about ? "≈\u202f" : "") + written(row.value));
    mark(value as Element, "title", about ? `between ${written(row.value)} and ${written(row.value + row.bound)}` : null);
    write(part as Element, share(row.value, total));
    const error = row.error > ERROR_SHOWN * row.value ? row.error : 0;
    const x = (size: number): number => (BAR * size) / most;
    const rects = (bar as Element).querySelectorAll("rect");
    stretch(rects[0], 0, x(row.value));
    stretch(rects[1], 0, x(row.hit));
    stretch(rects[2], x(row.value - error), x(error));
    stretch(rects[3], x(row.value), about ? x(row.bound) : 0);
    move(node, i);
  }

  /** Sets a part of a bar, in time when the eye could see it jump. */
  function stretch(rect: SVGRectElement | undefined, x: number, width: number): void {
    if (rect === undefined) {
      return;
    }
    const before = rect.getAttribute("width");
    const [atX, atWidth] = [x.toFixed(1), width.toFixed(1)];
    if (before === atWidth && rect.getAttribute("x") === atX) {
      return;
    }
    if (duration === 0 || before === null || Math.abs(Number(before) - width) < BAR / 200) {
      select(rect).interrupt().attr("x", atX).attr("width", atWidth);
    } else {
      select(rect).transition().duration(duration).ease(easeCubicOut).attr("x", atX).attr("width", atWidth);
    }
  }

  /** Lets a row that has another place slide there from its old one. */
  function move(node: HTMLTableRowElement, i: number): void {
    const before = place.get(node);
    place.set(node, i);
    if (before === undefined || before === i || duration === 0) {
      return;
    }
    select(node)
      .transition()
      .duration(duration)
      .ease(easeCubicOut)
      .styleTween("transform", () => (t: number) => (t < 1 ? `translateY(${(100 * (before - i) * (1 - t)).toFixed(1)}%)` : "none"));
  }

  function describe(row: TableRow, label: string, rank: number, total: number, about: boolean): string {
    const part = (size: number): string => `${row.value > 0 ? Math.round((100 * size) / row.value) : 0} percent`;
    const texts = [
      label,
      `rank ${rank}`,
      `${about ? "about " : ""}${spoken(factor * row.value)} ${unit}`,
      ...(total > 0 ? [`${((100 * row.value) / total).toFixed(1)} percent`] : []),
      `${part(row.hit)} hits`,
      `${part(row.error)} errors`,
    ];
    return about ? `${texts.join(", ")}, at most ${spoken(factor * row.bound)} more` : texts.join(", ");
  }

  function drawOthers(node: HTMLTableRowElement, view: TableView | null, held: number): void {
    const [, name, bar, value, part] = node.cells;
    const others = view === null ? 0 : view.keys - held;
    const none = view !== null && view.keys === 0;
    node.classList.toggle("none", others <= 0 && !none);
    mark(node, "data-others", String(Math.max(0, others)));
    mark(value as Element, "data-value", view === null ? null : String(view.others.value));
    if (view === null || none || others <= 0) {
      write(name as Element, none ? empty : view === null ? MISSING : "");
      [bar, value, part].forEach((cell) => write(cell as Element, ""));
      return;
    }
    write(name as Element, `${view.keysExact ? "" : "≥\u202f"}${exact(others)} ${others === 1 ? "other" : "others"}`);
    write(bar as Element, view.unheldMost > 0 ? `± at most ${written(view.unheldMost)}` : "");
    write(value as Element, written(view.others.value));
    write(part as Element, share(view.others.value, view.total.value));
  }

  chart.caption = (text: string) => ((caption = text), chart);
  /** The heads of the name and value columns. */
  chart.heads = (name: string, value: string) => ((names = name), (values = value), chart);
  /** The unit in a row's description, and the text of an empty table. */
  chart.words = (one: string, none: string) => ((unit = one), (empty = none), chart);
  chart.format = (value: (value: number) => string) => ((format = value), chart);
  /** What values are multiplied with before they are written; their data stay as they are. */
  chart.factor = (value: number) => ((factor = value), chart);
  /** Rows that are set apart, by name. */
  chart.named = (value: ReadonlySet<string> | null) => ((named = value), chart);
  chart.cut = (value: (name: string) => string) => ((cut = value), chart);
  chart.duration = (ms: number) => ((duration = ms), chart);
  return chart;
}

interface Parts {
  caption: Element;
  names: Element;
  values: Element;
  body: HTMLTableSectionElement;
  others: HTMLTableRowElement;
}

const built = new WeakMap<HTMLTableElement, Parts>();

/** The table's fixed parts, made once. */
function build(node: HTMLTableElement): Parts {
  let parts = built.get(node);
  if (parts !== undefined) {
    return parts;
  }
  const caption = node.createCaption();
  caption.className = "unseen";
  const head = node.createTHead().insertRow();
  const heading = (name: string): HTMLElement => {
    const cell = document.createElement("th");
    cell.className = name;
    cell.scope = "col";
    head.append(cell);
    return cell;
  };
  const [rank, names, bar] = [heading("rank"), heading("name"), heading("bar")];
  const [values, part] = [heading("value"), heading("share")];
  const hidden = document.createElement("span");
  hidden.className = "unseen";
  hidden.textContent = "rank";
  rank.append(hidden);
  part.textContent = "share";
  values.setAttribute("aria-sort", "descending");
  ["hit", "miss", "error"].forEach((band, i) => {
    const word = document.createElement("span");
    word.className = band;
    word.textContent = band;
    bar.append(...(i > 0 ? [" · "] : []), word);
  });
  const body = node.createTBody();
  const others = node.createTFoot().insertRow();
  others.className = "others none";
  cells(others);
  parts = { caption, names, values, body, others };
  built.set(node, parts);
  return parts;
}

function rowElement(): HTMLTableRowElement {
  const row = document.createElement("tr");
  row.tabIndex = -1;
  cells(row);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${BAR} 10`);
  svg.setAttribute("preserveAspectRatio", "none");
  for (const part of ["all", "hit", "error", "unsure"]) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    rect.setAttribute("class", part);
    rect.setAttribute("height", "10");
    svg.append(rect);
  }
  row.cells[2]?.append(svg);
  row.cells[2]?.setAttribute("aria-hidden", "true");
  return row;
}

function cells(row: HTMLTableRowElement): void {
  for (const name of ["rank", "name", "bar", "value", "share"]) {
    const cell = document.createElement(name === "name" ? "th" : "td");
    cell.className = name;
    if (name === "name") {
      cell.scope = "row";
    }
    row.append(cell);
  }
}
