// Charts of time series as the SVG they make: scales, labels, axis, crosshair, and the sentences for those who do not see them.

import { select } from "d3-selection";
import { describe, expect, it } from "vitest";
import { spread } from "../src/charts/labels";
import { type LineData, lines } from "../src/charts/lines";
import { areaPath, type Base, indexAt, linePath, runs, xOf } from "../src/charts/plot";
import { around, decades, fromZero, percents, rangeOf } from "../src/charts/scales";
import { stackedArea, type StackData } from "../src/charts/stackedArea";
import { axisLabels } from "../src/charts/timeAxis";
import { momentText, timeTicks } from "../src/charts/timeTicks";
import type { Column, Frame } from "../src/data/frame";
import { bucketFor } from "../src/parts/crosshair";
import { type Look, PANELS, type Panel, sentence, seriesOf } from "../src/parts/panels";

const plain = (text: string): string => text.replaceAll("\u202f", "_");
const base = (more: Partial<Base> = {}): Base => ({ width: 144, left: 44, length: 10, unrecorded: null, gaps: [], scale: 1, ...more });
const svg = (): SVGSVGElement => document.createElementNS("http://www.w3.org/2000/svg", "svg");

describe("vertical scales", () => {
  const range = (low: number, high: number) => ({ low, high });

  it("from zero end a little above the data and have two to four ticks", () => {
    expect(fromZero(range(1.5e6, 1.76e6), 4)).toEqual({ domain: [0, 1.8e6], ticks: [0, 5e5, 1e6, 1.5e6] });
    for (let high = 1; high < 1e7; high *= 1.07) {
      for (const most of [3, 4]) {
        const { domain, ticks } = fromZero(range(0, high), most);
        expect(domain[0]).toBe(0);
        expect(domain[1]).toBeGreaterThanOrEqual(high);
        expect(domain[1]).toBeLessThan(1.13 * high);
        expect(ticks.length).toBeLessThanOrEqual(most);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
      }
    }
    expect(fromZero(null, 4)).toEqual({ domain: [0, 1], ticks: [0] });
    expect(fromZero(range(0, 0), 4).ticks).toEqual([0]);
  });

  it.each([
    [86, 90.5, [85, 95]],
    [82, 91, [80, 95]],
    [97, 100, [90, 100]],
    [100, 100, [90, 100]],
    [0, 0, [0, 10]],
    [60, 85, [60, 90]],
    [20, 80, [0, 100]],
  ])("of percents from %d to %d are at least 10 points apart", (low, high, domain) => expect(percents(range(low, high), 4).domain).toEqual(domain));

  it("around whole counts leave room above and below, and never go below none", () => {
    const { domain, ticks } = around(range(9_100, 9_760), 3);
    expect([domain[0] < 9_100, domain[1] > 9_760, ticks.length >= 2]).toEqual([true, true, true]);
    expect(around(range(3, 3), 3)).toEqual({ domain: [2, 4], ticks: [2, 3, 4] });
    expect(around(range(0, 0), 3).domain).toEqual([0, 2]);
  });

  it("of decades reach from 1 ms to 10 s or beyond; a low panel drops 10 ms and 1 s", () => {
    expect(decades(range(3, 424), false)).toEqual({ domain: [1, 10_000], ticks: [1, 10, 100, 1_000, 10_000] });
    expect(decades(range(0, 10_000), true)).toEqual({ domain: [1, 10_000], ticks: [1, 100, 10_000] });
    expect(decades(range(3, 10_001), false).domain).toEqual([1, 100_000]);
    expect(decades(null, false).domain).toEqual([1, 10_000]);
  });

  it("take the range of what is there", () => {
    expect(rangeOf([NaN, 3, 1], [7, NaN])).toEqual({ low: 1, high: 7 });
    expect(rangeOf([NaN])).toBeNull();
  });
});

describe("labels", () => {
  it.each([
    ["apart already", [10, 50], [10, 50]],
    ["two too near move by the same", [20, 24], [15, 29]],
    ["on top of each other", [30, 30, 30], [16, 30, 44]],
    ["a group that pushes into the next", [20, 24, 34], [12, 26, 40]],
    ["at the top edge", [0, 2], [7, 21]],
    ["at the foot", [99, 99, 99], [65, 79, 93]],
  ])("%s", (_, wanted, expected) => expect(spread(wanted, 14, 7, 93)).toEqual(expected));

  it("keep order, pitch and panel whatever is wanted", () => {
    let seed = 3;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let i = 0; i < 200; i += 1) {
      const wanted = Array.from({ length: 1 + Math.floor(5 * random()) }, () => 120 * random() - 10).sort((a, b) => a - b);
      const heights = spread(wanted, 14, 7, 93);
      heights.forEach((height, n) => {
        expect(height).toBeGreaterThanOrEqual(7 - 1e-9);
        expect(height).toBeLessThanOrEqual(93 + 1e-9);
        expect(height - (heights[n - 1] ?? -Infinity)).toBeGreaterThanOrEqual(14 - 1e-9);
      });
    }
  });

  it("share what room there is", () => expect(spread([5, 5, 5], 14, 7, 17)).toEqual([7, 12, 17]));
});

describe("the shared x scale", () => {
  it("puts buckets between the plot's edges", () => {
    const x = xOf(base());
    expect([x(0), x(5), x(10), x(11)]).toEqual([44, 94, 144, 144]);
    expect(xOf(base({ length: 0 }))(0)).toBe(44);
  });

  it.each([[44, 0], [48, 0], [50, 1], [94, 5], [144, 8], [400, 8], [-5, 0]])("at %d pixels the nearest of nine buckets is %d", (pixels, index) =>
    expect(indexAt(base(), 9, pixels)).toBe(index));

  it("breaks lines where there is nothing, and holds the last value of a run until its bucket's end", () => {
    expect(runs([NaN, 1, 2, NaN, 3])).toEqual([{ from: 1, to: 3 }, { from: 4, to: 5 }]);
    const [x, y] = [(i: number): number => 10 * i, (value: number): number => value];
    expect(linePath([5, 6, NaN, 7], x, y)).toBe("M0,5L10,6L20,6M30,7L40,7");
    expect(areaPath(null, [5, NaN, 7], x, y)).toBe("M0,5L10,5L10,0L0,0ZM20,7L30,7L30,0L20,0Z");
  });
});

describe("the time axis", () => {
  const at = (text: string): number => Date.parse(`2024-05-14T${text}Z`);
  const texts = (from: number, to: number, most: number): string[] => timeTicks(from, to, most, true).map((tick) => tick.text);

  it.each([
    ["an hour", at("12:46:20"), at("13:46:20"), 5, ["13:00", "13:15", "13:30", "13:45"]],
    ["a minute", at("13:45:20"), at("13:46:20"), 5, ["13:45:30", "13:45:45", "13:46:00", "13:46:15"]],
    ["ten minutes", at("13:36:20"), at("13:46:20"), 5, ["13:38", "13:40", "13:42", "13:44", "13:46"]],
    ["a day, with the weekday at midnight", at("13:46:20") - 86_400_000, at("13:46:20"), 5, ["18:00", "Tue", "06:00", "12:00"]],
    ["three weeks", at("13:46:20") - 21 * 86_400_000, at("13:46:20"), 5, ["29 Apr", "6 May", "13 May"]],
  ])("has round moments: %s", (_, from, to, most, expected) => expect(texts(from, to, most)).toEqual(expected));

  it("is round in the reader's zone", () => {
    for (const { at: moment } of timeTicks(at("00:10:00"), at("23:00:00"), 5, false)) {
      expect(new Date(moment).getMinutes()).toBe(0);
      expect(new Date(moment).getHours() % 6).toBe(0);
    }
  });

  it("names the day of a moment that is of another one", () => {
    const end = at("13:46:20");
    expect([end - 60_000, end - 82_800_000, end - 20 * 86_400_000].map((moment) => momentText(moment, end, true))).toEqual(["13:45:20", "Mon 14:46:20", "24 Apr 13:46:20"]);
  });

  it("says the crosshair's moment in place of what is near it", () => {
    const [from, to] = [at("12:46:20"), at("13:46:20")];
    const wide = base({ width: 544, length: 360 });
    const ticks = timeTicks(from, to, 5, true);
    const said = (index: number | null): string[] => axisLabels({ base: wide, from, to, utc: true, cross: index === null ? null : { index, at: from + index * 10_000 } }, ticks).map((label) => label.text);
    expect(said(null)).toEqual(["13:00", "13:15", "13:30", "13:46:20"]);
    expect(said(265)).toEqual(["13:00", "13:15", "13:46:20", "13:30:30"]);
    expect(said(359)).toEqual(["13:00", "13:15", "13:30", "13:46:10"]);
    expect(axisLabels({ base: wide, from: 0, to: 0, utc: true, cross: null }, [])).toEqual([]);
  });
});

describe("charts", () => {
  const stackData = (more: Partial<Base> = {}): StackData => ({
    base: base(more),
    height: 100,
    top: 0,
    bands: [{ key: "hit", values: Float64Array.of(60, 60, NaN, 60) }, { key: "miss", values: Float64Array.of(20, 40, NaN, 0) }],
  });

  it("stack bands, and keep their elements", () => {
    const node = svg();
    const chart = stackedArea().tick(String);
    select<SVGSVGElement, StackData>(node).datum(stackData()).call(chart);
    const paths = [...node.querySelectorAll(".marks path")];
    expect(paths.map((path) => path.getAttribute("class"))).toEqual(["hit", "miss"]);
    expect(paths[1]?.getAttribute("d")?.split("M").length).toBe(3);
    const { hit = 0, miss = 0 } = chart.heights(node, 0);
    expect(hit).toBeGreaterThan(miss);
    expect(chart.heights(node, 2)).toEqual({ hit: NaN, miss: NaN });
    select<SVGSVGElement, StackData>(node).datum(stackData()).call(chart);
    expect([...node.querySelectorAll(".marks path")]).toEqual(paths);
    expect([node.querySelectorAll(".grid.over line").length > 1, node.querySelectorAll(".grid.under line").length]).toEqual([true, 0]);
  });

  it("hatch gaps of their exact width, and what was not recorded", () => {
    const node = svg();
    select<SVGSVGElement, StackData>(node).datum(stackData({ unrecorded: { from: 0, to: 3 }, gaps: [{ from: 5, to: 6 }] })).call(stackedArea());
    const rects = [...node.querySelectorAll(".hatch rect")];
    expect(rects.map((rect) => [rect.getAttribute("x"), rect.getAttribute("width"), rect.getAttribute("fill")])).toEqual([["44.0", "30.0", "url(#hatch)"], ["94.0", "10.0", "url(#hatch)"]]);
    expect(node.querySelector(".hatch line")?.getAttribute("x1")).toBe("74.0");
  });

  it("move one crosshair, with dots where lines have a value", () => {
    const node = svg();
    const chart = lines().log(true).axis((range, _, low) => decades(range, low)).tick(String);
    const data: LineData = { base: base(), height: 100, top: 0, lines: [{ key: "p50", values: Float64Array.of(0, 1, NaN) }, { key: "p99", values: Float64Array.of(10_000, 100, 100) }] };
    select<SVGSVGElement, LineData>(node).datum(data).call(chart);
    const dots = (): (string | null)[][] => [...node.querySelectorAll(".dots circle")].map((dot) => [dot.getAttribute("class"), dot.getAttribute("cy")]);
    const cross = node.querySelector(".cross");
    expect(cross?.getAttribute("display")).toBe("none");
    chart.cross(node, 1, -17);
    expect([cross?.getAttribute("display"), cross?.getAttribute("transform"), cross?.querySelector("line")?.getAttribute("y1")]).toEqual([null, "translate(54,0)", "-17"]);
    expect(dots()).toEqual([["p50", "99.5"], ["p99", "49.8"]]);
    chart.cross(node, 2, -17);
    expect(dots().map(([key]) => key)).toEqual(["p99"]);
    chart.cross(node, null, 0);
    expect(cross?.getAttribute("display")).toBe("none");
  });

  it("fill a line's area where they should", () => {
    const node = svg();
    const list: LineData["lines"] = [{ key: "status4xx", values: Float64Array.of(3) }, { key: "status5xx", values: Float64Array.of(1), filled: true }];
    const data: LineData = { base: base(), height: 100, top: 0, lines: list };
    select<SVGSVGElement, LineData>(node).datum(data).call(lines());
    expect([...node.querySelectorAll(".fill")].map((path) => path.getAttribute("d") !== null)).toEqual([false, true]);
  });
});

describe("keys of the crosshair", () => {
  const span = (at: number | null) => ({ first: 100, last: 150, at });
  it.each([
    ["ArrowLeft", false, null, 150], ["ArrowRight", false, null, 150], ["ArrowLeft", false, 120, 119], ["ArrowRight", true, 120, 130],
    ["ArrowLeft", true, 103, 100], ["ArrowRight", false, 150, 150], ["Home", false, 120, 100], ["End", false, null, 150], ["x", false, 120, null],
  ] as const)("%s (far: %s) from %s leads to %s", (key, far, at, bucket) => expect(bucketFor(key, far, span(at))).toBe(bucket));
  it("do nothing without buckets", () => expect(bucketFor("End", false, { first: 0, last: -1, at: null })).toBeNull());
});

describe("panels", () => {
  const values: Partial<Record<Column, number[]>> = {
    hit: [800, 900], refresh: [50, 50], miss: [140, 140], error: [10, 20], unknown: [0, 0], requests: [1000, 1110],
    bytes: [5e9, 6e9], origin: [1e9, 1e9], hitRatio: [85, 85.6], byteRatio: [90, NaN], p50: [3, 3], p95: [79, 3000], p99: [424, 3000],
    status4xx: [1, 0.4], status5xx: [0, 0], failed: [1, 0.4], clients: [10_012, 9_684],
  };
  const frame = (more: Partial<Record<Column, number[]>> = {}): Frame => ({
    step: 10, first: 0, length: 2, drawn: 2, unrecorded: null, gaps: [],
    columns: Object.fromEntries(Object.entries({ ...values, ...more }).map(([name, list]) => [name, Float64Array.from(list)])) as Frame["columns"],
  });
  const look = (index: number): Look => (column) => values[column]?.[index] ?? NaN;
  const panel = (id: string): Panel => PANELS.find((panel) => panel.id === id) as Panel;

  it("write a head each", () => {
    expect(PANELS.map(({ head }) => head(look(1)).map(plain).join(" "))).toEqual(["1.11 k/s", "6.00 GB/s", "85.6 %", "3.0 s p95", "0.40 /s", "9_684 "]);
    expect(PANELS.map(({ head }) => head(() => NaN).join(" ").replace(/^– ?(\/s)?$/, "–"))).toEqual(["–", "–", "–", "–", "–", "–"]);
  });

  it("label bands with their share, shorter on a phone", () => {
    const labels = seriesOf(panel("requests"), frame());
    expect(labels.map(({ name, value }) => plain(`${name} ${value(look(1))}`))).toEqual(["hit 81.1_%", "refresh hit 4.5_%", "miss 12.6_%", "error 1.8_%"]);
    expect(labels.map(({ brief, value, briefValue }) => plain(`${brief} ${(briefValue ?? value)(look(1))}`))).toEqual(["hit 81", "refresh 5", "miss 13", "error 1.8_%"]);
  });

  it("show requests without a result code only where there are some", () => {
    expect(seriesOf(panel("requests"), frame({ unknown: [0, 2] })).map(({ name }) => name)).toContain("no code");
    expect(seriesOf(panel("requests"), null).map(({ name }) => name)).not.toContain("no code");
  });

  it("are a sentence for those who do not see them", () => {
    const times = { from: "14:00:00", to: "14:00:20", at: "14:00:10" };
    const say = (id: string, at = frame()): string => plain(sentence(panel(id), at, 1, times));
    expect(say("requests")).toBe(
      "Requests per second from 14:00:00 to 14:00:20: between 1.00 thousand and 1.11 thousand; at 14:00:10 1.11 thousand (hit 81.1_%, refresh hit 4.5_%, miss 12.6_%, error 1.8_%).",
    );
    expect(say("time")).toContain("between 79 milliseconds and 3.0 seconds; at 14:00:10 3.0 seconds");
    expect(say("active", frame({ clients: [5, 5] }))).toBe("Unique clients from 14:00:00 to 14:00:20: steady at 5; at 14:00:10 5.");
    expect(say("bytes", frame({ bytes: [1e9, 1e9, 1e9, 2e9] }))).toMatch(/, rising\.$/);
    expect(say("bytes", frame({ bytes: [4e9, 1e9, 1e9, 2e9] }))).toMatch(/, falling\.$/);
    expect(say("ratio", frame({ hitRatio: [NaN, NaN] }))).toBe("Hit ratio of requests: nothing recorded in this window.");
    expect(sentence(panel("ratio"), null, -1, times)).toBe("Hit ratio of requests: nothing recorded in this window.");
  });
});
