// Clients x sites: one circle a pair, its area the measure, the inner circle the part served from cache.
// Cells are matched by row and column id. The picked cell (pointer, focus or arrow keys) is told to `onPick`.

import { easeCubicOut } from "d3-ease";
import { scaleSqrt } from "d3-scale";
import { type BaseType, select, type Selection } from "d3-selection";
import "d3-transition";
import { shown } from "../data/format";
import type { MatrixCell, MatrixItem, MatrixView } from "../data/protocol";
import { mark, write } from "../dom";

/** The part of a pair's value that errors must exceed for a red ring. */
const ERROR_RING = 0.1;
/** A cell is at most this large, so that few rows don't make giants. */
const WIDEST = 48; // pixels
/** Letters of a client's address at the foot. */
const COLUMN_LETTERS = 15;

/** The cell picked, by the ids of its row and column. */
export interface Picked {
  row: number;
  column: number;
}

interface Line {
  item: MatrixItem;
  y: number;
  cells: Spot[];
}

interface Spot {
  column: MatrixItem;
  row: MatrixItem;
  x: number;
  /** Undefined: the pair never occurred. */
  cell: MatrixCell | undefined;
}

type Box = Selection<SVGSVGElement, MatrixView, Element | null, unknown>;

export function matrix() {
  let width = 0; // pixels
  let height = 0; // pixels
  let names = 150; // pixels
  let foot = 110; // pixels
  let duration = 250; // ms
  let picked: Picked | null = null;
  let cut: (name: string, width: number) => string = (name) => name;
  let describe: (row: MatrixItem, column: MatrixItem, cell: MatrixCell | undefined) => string = () => "";
  let onPick: (cell: Picked | null) => void = () => {};

  function chart(selection: Box): void {
    selection.each(function (view) {
      build(this);
      if (width > 0 && height > 0) {
        draw(this, view);
      }
    });
  }

  function draw(node: SVGSVGElement, view: MatrixView): void {
    const stepX = Math.min(WIDEST, (width - names) / Math.max(1, view.columns.length));
    const stepY = Math.min(WIDEST, (height - foot) / Math.max(1, view.rows.length));
    grids.set(node, { view, stepX, stepY });
    // The largest circle may reach a little into its neighbours' rows: it has few that are as large.
    const r = scaleSqrt([0, view.cells.reduce((most, cell) => Math.max(most, cell.value), 0) || 1], [0, 0.56 * Math.min(stepX, stepY)]);
    const at = new Map(view.cells.map((cell) => [`${cell.row},${cell.column}`, cell]));
    const lines: Line[] = view.rows.map((item, i) => ({
      item,
      y: (i + 0.5) * stepY,
      cells: view.columns.map((column, j) => ({ row: item, column, x: names + (j + 0.5) * stepX, cell: at.get(`${item.id},${column.id}`) })),
    }));
    const root = select(node).attr("viewBox", `0 0 ${width} ${height}`);
    const glide = <E extends SVGElement, D>(selection: Selection<E, D, BaseType, unknown>, transform: (d: D) => string): void => {
      selection.each(function (d) {
        const next = transform(d);
        const before = targets.get(this);
        if (before === next) {
          return;
        }
        targets.set(this, next);
        if (before === undefined || duration === 0) {
          select(this).interrupt().attr("transform", next);
        } else {
          select(this).transition().duration(duration).ease(easeCubicOut).attr("transform", next);
        }
      });
    };

    const row = root
      .select(".rows")
      .selectAll<SVGGElement, Line>("g.row")
      .data(lines, (line) => line.item.id)
      .join((enter) => {
        const g = enter.append("g").attr("class", "row").attr("role", "row");
        g.append("line");
        g.append("text").attr("class", "name").attr("role", "rowheader").attr("text-anchor", "end").attr("dy", "0.35em");
        return g;
      })
      .order()
      .attr("data-key", (line) => line.item.name);
    glide(row, (line) => `translate(0,${line.y.toFixed(1)})`);
    row.select("line").attr("x1", names).attr("x2", names + stepX * view.columns.length);
    row.select<SVGTextElement>("text").attr("x", names - 10).each(function (line) {
      write(this, cut(shown(line.item.name), names - 12));
      this.classList.toggle("picked", line.item.id === picked?.row);
    });

    const cell = row
      .selectAll<SVGGElement, Spot>("g.cell")
      .data((line) => line.cells, (spot) => spot.column.id)
      .join((enter) => {
        const g = enter.append("g").attr("class", "cell").attr("role", "gridcell");
        g.append("circle").attr("class", "all");
        g.append("circle").attr("class", "hit");
        return g;
      })
      .order()
      .attr("id", (spot) => cellId(spot.row.id, spot.column.id));
    glide(cell, (spot) => `translate(${spot.x.toFixed(1)},0)`);
    cell.each(function ({ cell, column }) {
      const [all, hit] = this.children;
      const radius = cell === undefined ? 0 : r(cell.value);
      const failing = cell !== undefined && cell.error > ERROR_RING * cell.value;
      this.classList.toggle("failing", failing);
      mark(this, "data-column", column.name);
      mark(this, "data-value", cell === undefined ? null : String(cell.value));
      mark(this, "data-hit", cell === undefined ? null : String(cell.hit));
      mark(all as Element, "r", radius.toFixed(2));
      mark(hit as Element, "r", (cell === undefined || cell.value === 0 ? 0 : radius * Math.sqrt(cell.hit / cell.value)).toFixed(2));
    });

    const heads = root
      .select(".columns")
      .selectAll<SVGTextElement, MatrixItem>("text")
      .data(view.columns, (column) => column.id)
      .join((enter) => enter.append("text").attr("text-anchor", "end").attr("dy", "0.35em"));
    heads.order().each(function (column) {
      const name = shown(column.name);
      write(this, name.length > COLUMN_LETTERS ? middle(name) : name);
      this.classList.toggle("picked", column.id === picked?.column);
    });
    const places = new Map(view.columns.map((column, j) => [column.id, names + (j + 0.5) * stepX]));
    glide(heads, (column) => `translate(${(places.get(column.id) ?? 0).toFixed(1)},${(stepY * view.rows.length + 8).toFixed(1)}) rotate(-90)`);

    drawPick(node, view, stepX, stepY);
  }

  function drawPick(node: SVGSVGElement, view: MatrixView, stepX: number, stepY: number): void {
    const i = view.rows.findIndex((row) => row.id === picked?.row);
    const j = view.columns.findIndex((column) => column.id === picked?.column);
    const ring = select(node).select(".ring");
    if (picked === null || i < 0 || j < 0) {
      ring.attr("display", "none");
      mark(node, "aria-activedescendant", null);
      return;
    }
    ring
      .attr("display", null)
      .attr("r", (0.5 * Math.min(stepX, stepY) + 1).toFixed(1))
      .attr("transform", `translate(${(names + (j + 0.5) * stepX).toFixed(1)},${((i + 0.5) * stepY).toFixed(1)})`);
    const [row, column] = [view.rows[i], view.columns[j]];
    const target = row && column ? node.querySelector(`[id="${cellId(row.id, column.id)}"]`) : null;
    if (row !== undefined && column !== undefined && target !== null) {
      const cell = view.cells.find((cell) => cell.row === row.id && cell.column === column.id);
      mark(target, "aria-label", describe(row, column, cell));
      mark(node, "aria-activedescendant", target.id);
    }
  }

  /** The drawing's fixed parts and its listeners, made once. */
  function build(node: SVGSVGElement): void {
    if (node.firstChild !== null) {
      return;
    }
    const svg = select(node).attr("role", "grid").attr("tabindex", "0");
    svg.append("g").attr("class", "columns").attr("aria-hidden", "true");
    svg.append("g").attr("class", "rows").attr("role", "rowgroup");
    svg.append("circle").attr("class", "ring").attr("display", "none");
    node.addEventListener("pointermove", (event) => {
      const grid = grids.get(node);
      const box = node.getBoundingClientRect();
      if (grid === undefined || box.width === 0) {
        return;
      }
      const { view, stepX, stepY } = grid;
      const x = ((event.clientX - box.left) * width) / box.width;
      const y = ((event.clientY - box.top) * height) / box.height;
      const row = view.rows[Math.floor(y / stepY)];
      const column = view.columns[Math.floor((x - names) / stepX)];
      onPick(row !== undefined && column !== undefined ? { row: row.id, column: column.id } : null);
    });
    node.addEventListener("pointerleave", () => onPick(null));
    node.addEventListener("focus", () => move(node, 0, 0));
    node.addEventListener("blur", () => onPick(null));
    node.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (by !== undefined && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        event.stopPropagation();
        move(node, by[0], by[1]);
      }
    });
  }

  function move(node: SVGSVGElement, right: number, down: number): void {
    const view = grids.get(node)?.view;
    const kept = (index: number, count: number): number => Math.min(Math.max(index, 0), count - 1);
    const i = kept(Math.max(0, view?.rows.findIndex((row) => row.id === picked?.row) ?? 0) + down, view?.rows.length ?? 0);
    const j = kept(Math.max(0, view?.columns.findIndex((column) => column.id === picked?.column) ?? 0) + right, view?.columns.length ?? 0);
    const [row, column] = [view?.rows[i], view?.columns[j]];
    if (row !== undefined && column !== undefined) {
      onPick({ row: row.id, column: column.id });
    }
  }

  chart.size = (w: number, h: number) => ((width = w), (height = h), chart);
  /** Pixels left of the circles, for the sites' names. */
  chart.names = (pixels: number) => ((names = pixels), chart);
  /** Pixels under the circles, for the clients' addresses. */
  chart.foot = (pixels: number) => ((foot = pixels), chart);
  chart.duration = (ms: number) => ((duration = ms), chart);
  chart.picked = (cell: Picked | null) => ((picked = cell), chart);
  chart.cut = (value: (name: string, width: number) => string) => ((cut = value), chart);
  chart.describe = (value: typeof describe) => ((describe = value), chart);
  chart.onPick = (run: (cell: Picked | null) => void) => ((onPick = run), chart);
  return chart;
}

interface Grid {
  view: MatrixView;
  stepX: number;
  stepY: number;
}

const grids = new WeakMap<SVGSVGElement, Grid>();
const targets = new WeakMap<SVGElement, string>();

const ARROWS: Record<string, [right: number, down: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function cellId(row: number, column: number): string {
  return `cell-${row}-${column}`;
}

function middle(name: string): string {
  const tail = Math.floor((COLUMN_LETTERS - 1) / 2);
  return `${name.slice(0, COLUMN_LETTERS - 1 - tail)}…${name.slice(-tail)}`;
}
