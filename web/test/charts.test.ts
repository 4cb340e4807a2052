// Charts as the document they make: elements are kept, names are text only, keys and labels are right.

import { select } from "d3-selection";
import { beforeEach, describe, expect, it } from "vitest";
import { matrix, type Picked } from "../src/charts/matrix";
import { cumulative, rankCurve, step, type RankData } from "../src/charts/rankCurve";
import { sparkline } from "../src/charts/sparkline";
import { table, type TableData } from "../src/charts/table";
import type { MatrixView, RankView, TableView } from "../src/data/protocol";
import type { StatusView } from "../src/data/protocol";
import { guide } from "../src/parts/guide";

const HOSTILE = '<img src=x onerror="alert(1)">\u202e"';
const plain = (text: string | null | undefined): string => (text ?? "").replaceAll("\u202f", "_");

beforeEach(() => document.body.replaceChildren());

describe("table", () => {
  const bands = (value: number) => ({ value, hit: value / 2, miss: value / 2, error: 0 });
  const view = (keys = 12): TableView => ({
    keys, keysExact: true, coveredMs: 0, first: 1, total: bands(1000), others: bands(400), unheldMost: 0, rows: [],
  });
  const row = (id: number, name: string, value: number, more = {}) => ({ id, name, ...bands(value), bound: 0, left: false, ...more });

  function drawn(chart = table()): { node: HTMLTableElement; draw(data: TableData): HTMLTableRowElement[] } {
    const node = document.createElement("table");
    document.body.append(node);
    return {
      node,
      draw(data) {
        select<HTMLTableElement, TableData>(node).datum(data).call(chart.duration(0));
        return [...(node.tBodies[0]?.rows ?? [])];
      },
    };
  }

  it("keeps a row's element when ranks change, and drops it when the row leaves", () => {
    const { draw } = drawn();
    const before = draw({ view: view(), rows: [row(1, "a", 300), row(2, "b", 200), row(3, "c", 100)] });
    const after = draw({ view: view(), rows: [row(3, "c", 400), row(1, "a", 310), row(4, "d", 90)] });
    expect(after.map((node) => node.dataset["key"])).toEqual(["c", "a", "d"]);
    expect(after[0]).toBe(before[2]);
    expect(after[1]).toBe(before[0]);
    expect(before[1]?.isConnected).toBe(false);
    expect(after.map((node) => node.cells[0]?.textContent)).toEqual(["1", "2", "3"]);
  });

  it("writes value and share, and the rest of all rows below", () => {
    const { node, draw } = drawn();
    const [first] = draw({ view: view(10_014), rows: [row(1, "a", 300), row(2, "b", 300)] });
    expect([...(first?.cells ?? [])].map((cell) => plain(cell.textContent))).toEqual(["1", "a", "", "300", "30.0_%"]);
    expect(first?.cells[3]?.dataset["value"]).toBe("300");
    expect([...(node.tFoot?.rows[0]?.cells ?? [])].map((cell) => plain(cell.textContent))).toEqual(["", "10_012 others", "", "400", "40.0_%"]);
  });

  it("lays hits over the whole and errors at its right end, above 1.2 % only", () => {
    const { draw } = drawn();
    const rects = (node: Element | undefined): (string | null)[][] => [...(node?.querySelectorAll("rect") ?? [])].map((rect) => [rect.getAttribute("x"), rect.getAttribute("width")]);
    const [all, few] = draw({ view: view(), rows: [row(1, "a", 400, { error: 100 }), row(2, "b", 200, { error: 2 })] });
    expect(rects(all)).toEqual([["0.0", "1000.0"], ["0.0", "500.0"], ["750.0", "250.0"], ["1000.0", "0.0"]]);
    expect(rects(few)[2]).toEqual(["500.0", "0.0"]);
  });

  it("says that a count is approximate when its bound is above 1 %", () => {
    const { draw } = drawn();
    const [about, exact] = draw({ view: view(), rows: [row(1, "a", 400, { bound: 100 }), row(2, "b", 300, { bound: 2 })] });
    expect(plain(about?.cells[3]?.textContent)).toBe("≈_400");
    expect(about?.cells[3]?.title).toBe("between 400 and 500");
    expect(about?.getAttribute("aria-label")).toBe("a, rank 1, about 400 requests, 40.0 percent, 50 percent hits, 0 percent errors, at most 100 more");
    expect(exact?.cells[3]?.textContent).toBe("300");
  });

  it("shows hostile names as text only", () => {
    const { node, draw } = drawn();
    const [first] = draw({ view: view(), rows: [row(1, HOSTILE, 300)] });
    expect(node.querySelector("img, script")).toBeNull();
    expect(first?.cells[1]?.textContent).toBe('<img src=x onerror="alert(1)">\ufffd"');
    expect(first?.dataset["key"]).toBe(HOSTILE);
  });

  it("counts ranks from the first shown, and has one row in the order of Tab", () => {
    const { draw } = drawn();
    const rows = draw({ view: { ...view(), first: 5001 }, rows: [row(1, "a", 3), row(2, "b", 2)] });
    expect(rows.map((node) => [plain(node.cells[0]?.textContent), node.dataset["rank"], node.tabIndex])).toEqual([["5_001", "5001", 0], ["5_002", "5002", -1]]);
  });

  it("says that there is nothing", () => {
    const { node, draw } = drawn(table().words("requests", "No requests since the start"));
    draw({ view: view(0), rows: [] });
    expect(node.tFoot?.rows[0]?.cells[1]?.textContent).toBe("No requests since the start");
  });
});

describe("rank curve", () => {
  const points = Array.from({ length: 40 }, (_, i) => Math.round(10 ** (i / 9.75))).map((rank) => ({ rank, value: 1000 / rank, cumulative: 100 * Math.log10(rank) + 10 }));
  const view: RankView = { keys: 10_000, keysExact: true, total: 410, points };

  it("is a slider that says its rows", () => {
    const node = document.createElement("div");
    select<HTMLElement, RankData>(node).datum<RankData>({ view, first: 13, rows: 12 }).call(rankCurve().size(500, 58).duration(0).label("Ranks"));
    expect([node.getAttribute("role"), node.getAttribute("aria-valuenow"), node.getAttribute("aria-valuemax")]).toEqual(["slider", "13", "9989"]);
    expect(plain(node.getAttribute("aria-valuetext"))).toBe("rows 13 to 24 of 10_000");
  });

  it("labels decades with their share, and none within 96 px of the end", () => {
    const node = document.createElement("div");
    const chart = rankCurve().duration(0);
    const texts = (width: number): string[] => {
      select<HTMLElement, RankData>(node).datum<RankData>({ view, first: 1, rows: 12 }).call(chart.size(width, 58));
      return [...node.querySelectorAll(".tick text")].map((text) => plain(text.textContent));
    };
    expect(texts(500)).toEqual(["rank 1", "top 10: 27_%", "top 100: 51_%", "top 1_000: 76_%", "10_000"]);
    expect(texts(340)).toEqual(["rank 1", "top 10: 27_%", "top 100: 51_%", "10_000"]);
  });

  it("moves by keys, and asks within the ranks there are", () => {
    const node = document.createElement("div");
    const asked: number[] = [];
    select<HTMLElement, RankData>(node).datum<RankData>({ view, first: 5, rows: 12 }).call(rankCurve().size(500, 58).duration(0).onMove((first) => asked.push(first)));
    for (const key of ["PageDown", "PageUp", "ArrowRight", "ArrowLeft", "Home", "End", "x"]) {
      node.dispatchEvent(new KeyboardEvent("keydown", { key }));
    }
    expect(asked).toEqual([17, 1, 6, 4, 1, 9989]);
    expect(step("Tab", { first: 1, rows: 1, last: 1 })).toBeNull();
  });

  it("adds up shares between its points", () => {
    const sums = [{ rank: 1, value: 10, cumulative: 10 }, { rank: 5, value: 5, cumulative: 30 }];
    expect([1, 3, 5, 9].map((rank) => cumulative(sums, rank))).toEqual([10, 20, 30, 30]);
  });
});

describe("circles", () => {
  const cell = (row: number, column: number, value: number, error = 0) => ({ row, column, value, hit: value / 4, miss: 0, error });
  const items = (...ids: number[]) => ids.map((id) => ({ id, name: `n${id}` }));
  const view: MatrixView = { coveredMs: 0, total: 10, rows: items(1, 2), columns: items(8, 9), cells: [cell(1, 8, 100), cell(2, 9, 25, 5)] };

  function drawn(chart = matrix()): { node: SVGSVGElement; draw(view: MatrixView): Element[] } {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    return {
      node,
      draw(next) {
        select<SVGSVGElement, MatrixView>(node).datum(next).call(chart.size(300, 210).names(100).duration(0));
        return [...node.querySelectorAll(".cell")];
      },
    };
  }

  it("draws areas in proportion, the hit part inside, a red ring above 10 % errors", () => {
    const cells = drawn().draw(view);
    const radii = cells.map((cell) => [...cell.children].map((circle) => Number(circle.getAttribute("r"))));
    expect(radii[0]?.[0]).toBeCloseTo(2 * (radii[3]?.[0] ?? 0), 1);
    expect(radii[0]?.[1]).toBeCloseTo((radii[0]?.[0] ?? 0) / 2, 1);
    expect([radii[1], radii[2]]).toEqual([[0, 0], [0, 0]]);
    expect(cells.map((cell) => cell.classList.contains("failing"))).toEqual([false, false, false, true]);
  });

  it("keeps the elements of rows and cells when ranks change", () => {
    const { draw } = drawn();
    const before = draw(view);
    const after = draw({ ...view, rows: items(2, 1), columns: items(9, 8) });
    expect(after).toEqual([before[3], before[2], before[1], before[0]]);
  });

  it("shows hostile names as text only", () => {
    const { node, draw } = drawn();
    draw({ ...view, rows: [{ id: 1, name: HOSTILE }], columns: [{ id: 8, name: HOSTILE }] });
    expect(node.querySelector("img")).toBeNull();
    expect(node.querySelector(".name")?.textContent).toContain("<img src=x");
  });

  it("moves the picked cell by arrow keys, within its bounds", () => {
    let picked: Picked | null = null;
    const chart = matrix().onPick((cell) => {
      picked = cell;
      chart.picked(cell);
    });
    const { node, draw } = drawn(chart);
    document.body.append(node);
    draw(view);
    const path = ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"].map((key) => {
      node.dispatchEvent(new KeyboardEvent("keydown", { key }));
      draw(view);
      return [picked?.row, picked?.column];
    });
    expect(path).toEqual([[1, 9], [1, 9], [2, 9], [2, 8], [1, 8], [1, 8]]);
    expect(node.getAttribute("aria-activedescendant")).toBe("cell-1-8");
  });
});

describe("sparkline", () => {
  it("ends at the right edge", () => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const draw = (values: number[]): string | null | undefined => {
      select<SVGSVGElement, number[]>(node).datum(values).call(sparkline().size(64, 14).slots(3));
      return node.querySelector("path")?.getAttribute("d");
    };
    expect(draw([])).toBe("");
    expect(draw([1, 2, 3])).toBe("M0,13L32,7L64,1");
    expect(draw([5, 5])).toBe("M32,7L64,7");
  });
});

describe("guide", () => {
  it("shows this machine's address in the settings, and copies what stands there", async () => {
    const root = document.createElement("section");
    document.body.append(root);
    const status = { ownAddress: "192.0.2.7:8085", secret: "default", collationAddresses: "[::]:8085", pageAddresses: "127.0.0.1:6011", lastRefused: { at: 0, peer: HOSTILE, cause: "secret" }, countingSince: 0 };
    guide(root)(status as unknown as StatusView, 0, true);
    expect(root.querySelector("pre")?.textContent).toBe(`formats:
  - name: visulate
    format: '%<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<cquc> %<caun> %<phr>/%<shn> %<psct>'
logs:
  - filename: visulate
    format: visulate
    mode: binary
    filters: []          # 8.1 ignores collation_hosts without this key
    collation_hosts:
      - host: 192.0.2.7:8085
`);
    expect([...root.querySelectorAll(".facts dd")].map((node) => node.textContent)).toEqual([
      "[::]:8085",
      "default, change it",
      '00:00:00 from <img src=x onerror="alert(1)">\ufffd", refused: wrong secret',
      "127.0.0.1:6011",
    ]);
    expect(root.querySelector("img")).toBeNull();
  });
});
