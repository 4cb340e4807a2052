// A report in one file: draws what its data hold, with the page's own charts and words. Nothing is fetched, and names become text only.

import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { lines, type Line, type LineData } from "../charts/lines";
import { areaPath, type Base, linePath, xOf } from "../charts/plot";
import { decades, fromZero, percents } from "../charts/scales";
import { stackedArea, type StackData } from "../charts/stackedArea";
import { type AxisData, timeAxis } from "../charts/timeAxis";
import { axisTime, bytes, count, duration, durationTick, exact, MISSING, share, shown, tick, zone } from "../data/format";
import { element, find } from "../dom";
import "./report.css";

type Row = { key: string | string[] | null } & Record<string, number>;
interface Keys {
  count: number;
  exact: boolean;
}
interface Top {
  rows: Row[];
  other: Row;
  total: Row;
  keys: Keys;
}
interface Distribution {
  buckets: { from: number; to: number; requests: number }[];
  [name: string]: unknown;
}
interface Sheet {
  id: string;
  title: string;
  note: string;
  columns: string[];
  units: string[];
  rows: (string | number | null)[][];
  levels: number[];
}
interface Bars {
  median: number | null;
  min: number | null;
  max: number | null;
  bars: number[];
}
interface Url {
  key: string;
  accesses: number;
  seen: number;
  query_diversity: number;
  most_popular_variant_share: number;
  /** Null where no format has a result. */
  hit_share: number | null;
  miss_share: number | null;
  hits: Record<string, number>;
  misses: Record<string, number>;
  statuses: Record<string, number>;
  miss_time_ms: Bars;
  size_bytes: Bars;
  variants: number[];
}
interface Report {
  files: string[];
  bytes_read: number;
  filter: string[];
  measure: string;
  summary: Record<string, number | null> & { uniques: Record<string, Keys>; entries: Record<string, number> };
  classes: Row[];
  status_classes: Row[];
  groups: Record<string, Row>;
  top: Record<string, Top>;
  rank: Record<string, { points: { rank: number; value: number; share: number }[] }>;
  histogram: Record<string, Distribution>;
  series: { step: number; points: ({ t: number; gap?: boolean } & Record<string, number>)[] } | null;
  miss_ratio: {
    points: { size_bytes: number; hit_ratio: number; byte_hit_ratio: number }[];
    current: Record<string, number | null>;
    working_set: Record<string, number>;
  } | null;
  urls: Url[];
  tables: Record<string, Sheet>;
}

const report = JSON.parse(find("#data").textContent ?? "") as Report;
const main = find("#report");
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 52; // pixels of ticks

const TOPS: readonly [dimension: string, title: string][] = [
  ["site", "Sites"],
  ["host", "Hosts"],
  ["client", "Clients"],
  ["network", "Client networks"],
  ["user", "Users"],
  ["server", "Servers asked"],
  ["client,site", "Clients × sites"],
  ["result", "Result codes"],
  ["status", "Statuses"],
  ["route", "Routes"],
  ["type", "Content types"],
  ["extension", "Extensions"],
  ["method", "Methods"],
  ["scheme", "Schemes"],
  ["node", "Nodes"],
  ["url", "URLs"],
];

/** Draws anew what depends on the width. */
const redraws: (() => void)[] = [];

function section(title: string, id: string, ...children: (Node | string)[]): HTMLElement {
  const made = element("section", { id }, element("h2", {}, title), ...children);
  main.append(made);
  return made;
}

function svg(label: string): SVGSVGElement {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const percent = (value: unknown): string => (typeof value === "number" ? share(value, 1) : MISSING);

function moment(unix: number): string {
  const ms = unix * 1000;
  return `${axisTime(ms, false, "day")} ${new Date(ms).getFullYear()} ${axisTime(ms, false, "second")} ${zone(ms, false)}`;
}

/** Times in logs are whole milliseconds: `0 ms`, not `0.00 ms`. */
function whole(ms: number): string {
  return Number.isInteger(ms) && ms < 1000 ? `${ms}\u202fms` : duration(ms);
}

const UNIQUES: Record<string, string> = { client: "clients", user: "users", site: "sites", host: "hosts", url: "URLs", server: "servers asked" };

function head(): void {
  const { summary } = report;
  const what = report.files.length === 1 ? shown(report.files[0] ?? "") : `${report.files.length} files`;
  const when = summary["first"] === null ? "no entries" : `${moment(number(summary["first"]))} to ${moment(number(summary["last"]))}`;
  main.append(
    element("header", {}, element("h1", {}, "Visulate report"), element("p", {}, `${what}, ${bytes(report.bytes_read)} read, ${when}`)),
  );
  if (report.filter.length > 0) {
    main.append(element("p", { class: "filter" }, `Only ${report.filter.map(shown).join(", ")}`));
  }
  const figures: [name: string, text: string][] = [
    ["requests", exact(number(summary["requests"]))],
    ["bytes", bytes(number(summary["bytes"]))],
    ["hit ratio", percent(summary["hit_ratio"])],
    ["byte hit ratio", percent(summary["byte_hit_ratio"])],
    ["fresh hit ratio", percent(summary["fresh_hit_ratio"])],
    ["origin offload", percent(summary["origin_offload"])],
    ["error ratio", percent(summary["error_ratio"])],
    ["hits", exact(number(summary["hits"]))],
    ["misses", exact(number(summary["misses"]))],
    ["errors", exact(number(summary["errors"]))],
    ["mean time", typeof summary["mean_time_ms"] === "number" ? duration(summary["mean_time_ms"]) : MISSING],
    ["mean size", typeof summary["mean_bytes"] === "number" ? bytes(summary["mean_bytes"]) : MISSING],
    ["requests a second", count(number(summary["requests_per_second"]))],
    ["bandwidth", tick(number(summary["bits_per_second"]), "bit/s")],
    ["under way (mean)", typeof summary["concurrency"] === "number" ? count(Math.round(summary["concurrency"] * 100) / 100) : MISSING],
    ...Object.entries(summary.uniques).map(([name, keys]): [string, string] => [UNIQUES[name] ?? name, `${keys.exact ? "" : "≥ "}${exact(keys.count)}`]),
    ["troubles of servers", exact(number(report.groups["server_trouble"]?.["requests"]))],
    ["troubles of clients", exact(number(report.groups["client_trouble"]?.["requests"]))],
    ["troubles of the proxy", exact(number(report.groups["proxy_trouble"]?.["requests"]))],
  ];
  const list = element("dl", { class: "figures" });
  figures.forEach(([name, text]) => list.append(element("div", { "data-figure": name }, element("dt", {}, name), element("dd", {}, text))));
  section("Summary", "summary", list);
}

function series(): void {
  const points = report.series?.points ?? [];
  const step = report.series?.step ?? 1;
  if (points.length < 2) {
    return;
  }
  const column = (value: (point: Record<string, number>) => number): Float64Array => Float64Array.from(points, (point) => (point.gap === true ? 0 : value(point)));
  const ratio = (part: string, whole: string, unknown: string): Float64Array =>
    Float64Array.from(points, (point) => {
      const known = number(point[whole]) - number(point[unknown]);
      return point.gap === true || known <= 0 ? NaN : (100 * number(point[part])) / known;
    });
  const time = (name: string): Float64Array => Float64Array.from(points, (point) => (typeof point[name] === "number" ? Math.max(1, point[name]) : NaN));
  const bands = [
    { key: "refresh", values: column((p) => number(p["refresh_hits"]) / step) },
    { key: "hit", values: column((p) => (number(p["hits"]) - number(p["refresh_hits"])) / step) },
    { key: "miss", values: column((p) => number(p["misses"]) / step) },
    { key: "error", values: column((p) => number(p["errors"]) / step) },
    { key: "unknown", values: column((p) => number(p["unknown"]) / step) },
  ];
  const panels = element("div", { class: "charts" });
  section("Over time", "over-time", panels);
  const add = (title: string, legend: [word: string, key: string][], draw: (svg: SVGSVGElement, base: Base) => void): void => {
    const [plot, axis] = [svg(`${title} over time: ${legend.map(([word]) => word).join(", ")}`), svg("time")];
    const words = legend.map(([word, key]) => element("span", { class: `key ${key}` }, word));
    const box = element("figure", {}, element("figcaption", {}, title, ...words), element("div", { class: "plot" }, plot), element("div", { class: "axis" }, axis));
    panels.append(box);
    const xAxis = timeAxis();
    redraws.push(() => {
      const base: Base = { width: box.clientWidth, left: LEFT, length: points.length, unrecorded: null, gaps: [], scale: 1 };
      draw(plot, base);
      const first = number(points[0]?.t) * 1000;
      select(axis)
        .datum<AxisData>({ base, from: first, to: first + points.length * step * 1000, utc: false, cross: null })
        .call(xAxis);
    });
  };
  const stack = stackedArea().tick((value) => tick(value, "/s"));
  add("Requests a second", [["refresh hits", "refresh"], ["hits", "hit"], ["misses", "miss"], ["errors", "error"]], (node, base) => select(node).datum<StackData>({ base, height: 120, top: 6, bands }).call(stack));
  const draw = (chart: ReturnType<typeof lines>, data: Line[]) => (node: SVGSVGElement, base: Base) =>
    void select(node).datum<LineData>({ base, height: 120, top: 6, lines: data }).call(chart);
  const filled = (key: string, values: Float64Array): Line => ({ key, values, filled: true });
  add("Bandwidth", [["to clients", "all"], ["from origins", "miss"]], draw(lines().tick((value) => tick(value, "bit/s")), [
    filled("all", column((p) => (8 * number(p["bytes"])) / step)),
    filled("origin", column((p) => (8 * number(p["origin_bytes"])) / step)),
  ]));
  add("Hit ratio", [["of requests", "hit"], ["of bytes", "refresh"]], draw(lines().axis(percents).tick((value) => `${value}\u202f%`), [
    { key: "byteRatio", values: ratio("hit_bytes", "bytes", "unknown_bytes") },
    { key: "hitRatio", values: ratio("hits", "requests", "unknown") },
  ]));
  add("Time of a transaction", [["p95", "all"], ["p50 and p99", "faint"]], draw(lines().log(true).axis((range, _, low) => decades(range, low)).tick(durationTick), [
    { key: "p99", values: time("p99") },
    { key: "p50", values: time("p50") },
    { key: "p95", values: time("p95") },
  ]));
  add("Errors a second", [], draw(lines().axis(fromZero).tick((value) => tick(value, "/s")), [filled("status5xx", column((p) => number(p["errors"]) / step))]));
  add("Clients in a step", [], draw(lines().axis(fromZero).tick((value) => tick(value)), [filled("all", column((p) => number(p["clients"])))]));
}

/** A bar: all of a row as a part of the most, over it what the cache served, at its end what failed. */
function bar(row: Row, most: number): SVGSVGElement {
  const made = svg("");
  made.setAttribute("viewBox", "0 0 100 10");
  made.setAttribute("preserveAspectRatio", "none");
  made.setAttribute("aria-hidden", "true");
  const part = (name: string): number => (most > 0 ? (100 * number(row[name])) / most : 0);
  const rects: [name: string, x: number, width: number][] = [
    ["all", 0, part("requests")],
    ["hit", 0, part("hits")],
    ["error", part("requests") - part("errors"), part("errors")],
  ];
  select(made)
    .selectAll("rect")
    .data(rects)
    .join("rect")
    .attr("class", ([name]) => name)
    .attr("x", ([, x]) => x)
    .attr("width", ([, , width]) => width)
    .attr("height", 10);
  return made;
}

function rowsTable(rows: Row[], other: Row | null): HTMLTableElement {
  const all = number(report.summary["requests"]);
  const most = Math.max(0, ...rows.map((row) => number(row["requests"])));
  const body = element("tbody");
  for (const row of [...rows, ...(other !== null && number(other["requests"]) > 0 ? [other] : [])]) {
    const name = row.key === null ? "all others" : Array.isArray(row.key) ? row.key.map(shown).join(" × ") : shown(row.key);
    const known = number(row["requests"]) - number(row["unknown"]);
    const about = number(row["error_bound"]) > 0 ? "≈ " : "";
    const chart = element("td", { class: "bar" });
    if (row !== other) {
      chart.append(bar(row, most));
    }
    body.append(
      element(
        "tr",
        row === other ? { class: "others" } : {},
        element("th", { scope: "row", class: "name", title: name }, name),
        chart,
        element("td", {}, about + exact(number(row["requests"]))),
        element("td", {}, share(number(row["requests"]), all)),
        element("td", {}, bytes(number(row["bytes"]))),
        element("td", {}, share(number(row["hits"]), known)),
        element("td", {}, number(row["timed"]) > 0 ? duration(number(row["time_ms"]) / number(row["timed"])) : MISSING),
      ),
    );
  }
  const names = ["", "", "requests", "share", "bytes", "hits", "mean time"];
  const titles = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  return element("table", { class: "rows" }, element("thead", {}, titles), body);
}

function rankings(): void {
  const grid = element("div", { class: "tables" });
  section("Results, statuses, and the first of every dimension", "rankings", grid);
  const byRequests = [...report.classes].sort((a, b) => number(b["requests"]) - number(a["requests"]));
  const part = (id: string, title: string, table: HTMLElement): void => grid.append(element("article", { "data-table": id }, element("h3", {}, title), table));
  part("class", "Results by class", rowsTable(byRequests, null));
  part("status_class", "Statuses by class", rowsTable(report.status_classes, null));
  for (const [dimension, title] of TOPS) {
    const top = report.top[dimension];
    if (top !== undefined && top.keys.count > 0) {
      part(dimension, `${title} (${top.keys.exact ? "" : "≥ "}${exact(top.keys.count)})`, rowsTable(top.rows, top.other));
    }
  }
}

function distributions(): void {
  const grid = element("div", { class: "charts" });
  section("Distributions", "distributions", grid);
  const show: [name: string, title: string, text: (value: number) => string][] = [
    ["time_ms", "Time of a transaction", whole],
    ["bytes", "Bytes of an answer", bytes],
    ["hits_time_ms", "Time of hits", whole],
    ["others_time_ms", "Time of all others", whole],
  ];
  for (const [name, title, text] of show) {
    const of = report.histogram[name];
    if (of === undefined || of.buckets.length === 0) {
      continue;
    }
    const chart = svg(`${title}: requests by it, on a logarithmic scale`);
    const parts = [["median", "p50"], ["p90", "p90"], ["p95", "p95"], ["p99", "p99"], ["max", "max"]] as const;
    const said = parts.map(([word, key]) => (typeof of[key] === "number" ? `${word} ${text(of[key])}` : "")).filter((word) => word !== "");
    const box = element("figure", {}, element("figcaption", {}, title), element("div", { class: "plot" }, chart), element("p", { class: "said" }, said.join(", ")));
    grid.append(box);
    redraws.push(() => {
      const [width, height] = [box.clientWidth, 110];
      const most = Math.log1p(of.buckets.at(-1)?.from ?? 1) || 1;
      const bars = new Float64Array(Math.max(8, Math.floor(width / 5)));
      for (const bucket of of.buckets) {
        const at = Math.round((Math.log1p(bucket.from) / most) * (bars.length - 1));
        bars[at] = (bars[at] ?? 0) + bucket.requests;
      }
      const y = scaleLinear([0, Math.max(...bars)], [0, height - 18]);
      const ticks = [0, 0.25, 0.5, 0.75, 1];
      const root = select(chart).attr("viewBox", `0 0 ${width} ${height}`);
      root
        .selectAll("rect")
        .data(Array.from(bars))
        .join("rect")
        .attr("class", "column")
        .attr("x", (_, i) => (i * width) / bars.length)
        .attr("width", Math.max(1, width / bars.length - 1))
        .attr("y", (value) => height - 18 - y(value))
        .attr("height", y);
      root
        .selectAll("text")
        .data(ticks)
        .join("text")
        .attr("x", (part) => part * width)
        .attr("y", height - 4)
        .attr("text-anchor", (part) => (part === 0 ? "start" : part === 1 ? "end" : "middle"))
        .text((part) => text(Math.round(Math.expm1(most * part))));
    });
  }
}

function missRatio(): void {
  const points = report.miss_ratio?.points ?? [];
  if (points.length < 2) {
    return;
  }
  const chart = svg("Hit ratio by size of cache");
  const current = report.miss_ratio?.current ?? {};
  const said = `Really ${percent(current["hit_ratio"])} of requests and ${percent(current["byte_hit_ratio"])} of bytes. An estimate from a sample of URLs; a cache of least recently used objects.`;
  const box = element("figure", { class: "wide" }, element("figcaption", {}, element("span", { class: "key hit" }, "of requests"), element("span", { class: "key refresh" }, "of bytes")), element("div", { class: "plot" }, chart), element("p", { class: "said" }, said));
  section("Hit ratio by size of cache", "miss-ratio", box);
  redraws.push(() => {
    const [width, height, foot] = [box.clientWidth, 200, 182];
    const base: Base = { width, left: LEFT, length: points.length - 1, unrecorded: null, gaps: [], scale: 1 };
    const x = xOf(base);
    const most = Math.max(...points.map((point) => Math.max(point.hit_ratio, point.byte_hit_ratio)));
    const axis = fromZero({ low: 0, high: most }, 5);
    const y = scaleLinear(axis.domain, [foot, 8]);
    const hits = points.map((point) => point.hit_ratio);
    const root = select(chart).attr("viewBox", `0 0 ${width} ${height}`);
    const grid = axis.ticks;
    root.selectAll("g").data(["grid", "marks", "labels"]).join("g").attr("class", (name) => name);
    root.select(".grid").selectAll("line").data(grid).join("line").attr("x1", LEFT).attr("x2", width).attr("y1", y).attr("y2", y);
    root
      .select(".marks")
      .selectAll("path")
      .data([
        ["area", areaPath(null, hits, x, y)],
        ["line hits", linePath(hits, x, y)],
        ["line bytes", linePath(points.map((point) => point.byte_hit_ratio), x, y)],
      ])
      .join("path")
      .attr("class", ([name]) => name ?? "")
      .attr("d", ([, path]) => path ?? "");
    const labels: [text: string, x: number, y: number, anchor: string][] = grid.map((value) => [value === 0 ? "0" : share(value, 1), LEFT - 7, y(value) + 4, "end"]);
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const at = Math.round(part * (points.length - 1));
      labels.push([bytes(points[at]?.size_bytes ?? 0), x(at), height - 3, part === 0 ? "start" : part === 1 ? "end" : "middle"]);
    }
    root
      .select(".labels")
      .selectAll("text")
      .data(labels)
      .join("text")
      .attr("x", ([, at]) => at)
      .attr("y", ([, , at]) => at)
      .attr("text-anchor", ([, , , anchor]) => anchor)
      .text(([text]) => text);
  });
}

/** Bars of 80 pixels for a row of a table. */
function spark(values: number[], label: string): SVGSVGElement {
  const made = svg(label);
  made.setAttribute("class", "spark80");
  made.setAttribute("viewBox", "0 0 80 16");
  const y = scaleLinear([0, Math.max(1, ...values)], [0, 16]);
  select(made)
    .selectAll("rect")
    .data(values)
    .join("rect")
    .attr("x", (_, i) => (i * 80) / values.length)
    .attr("width", Math.max(0.8, 80 / Math.max(1, values.length) - 0.8))
    .attr("y", (value) => 16 - y(value))
    .attr("height", y);
  return made;
}

function parts(of: Record<string, number>, order: readonly string[], label: string): SVGSVGElement {
  const made = svg(`${label}: ${order.map((name) => `${name} ${of[name] ?? 0}`).join(", ")}`);
  made.setAttribute("class", "spark80");
  made.setAttribute("viewBox", "0 0 80 16");
  const total = order.reduce((sum, name) => sum + (of[name] ?? 0), 0);
  let from = 0;
  for (const name of order) {
    const width = total > 0 ? (80 * (of[name] ?? 0)) / total : 0;
    select(made).append("rect").attr("class", `part ${name.replace(/^(\d)/, "s$1")}`).attr("x", from).attr("width", width).attr("y", 3).attr("height", 10);
    from += width;
  }
  return made;
}

function urls(): void {
  if (report.urls.length === 0) {
    return;
  }
  const names = ["URL", "accesses", "variants", "popularity", "hits", "kinds of hits", "misses", "kinds of misses", "time of misses", "", "size", "", "statuses"];
  const body = element("tbody");
  for (const url of report.urls) {
    const about = url.seen < url.accesses ? "≈ " : "";
    const cell = (...children: (Node | string)[]): HTMLElement => element("td", {}, ...children);
    body.append(
      element(
        "tr",
        {},
        element("th", { scope: "row", class: "name", title: shown(url.key) }, shown(url.key)),
        cell(exact(url.accesses)),
        cell(about + exact(url.query_diversity)),
        cell(spark(url.variants, `the most popular variant has ${share(url.most_popular_variant_share, 1)}`)),
        cell(percent(url.hit_share)),
        cell(parts(url.hits, ["memory", "disk"], "hits")),
        cell(percent(url.miss_share)),
        cell(parts(url.misses, ["client_forbade", "unchanged", "changed", "failed", "no_validation"], "misses")),
        cell(url.miss_time_ms.median === null ? MISSING : whole(url.miss_time_ms.median)),
        cell(spark(url.miss_time_ms.bars, "times of misses from 0 to 1000 ms, the last bar is above")),
        cell(url.size_bytes.median === null ? MISSING : bytes(url.size_bytes.median)),
        cell(spark(url.size_bytes.bars, "sizes from 0 to 256 KiB, the last bar is above")),
        cell(parts(url.statuses, ["2xx", "3xx", "4xx", "5xx", "0xx"], "statuses")),
      ),
    );
  }
  const titles = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  section("URLs one by one", "urls", element("div", { class: "scroll" }, element("table", { class: "urls" }, element("thead", {}, titles), body)));
}

function cellText(value: string | number | null | undefined, unit: string): string {
  if (value === null || value === undefined) {
    return MISSING;
  }
  if (typeof value === "string") {
    return shown(value);
  }
  switch (unit) {
    case "%":
      return share(value, 100);
    case "B":
      return bytes(value);
    case "time":
      return moment(value);
    case "s":
      return value.toFixed(3);
    case "ms":
      return duration(value);
    default:
      return Number.isInteger(value) ? exact(value) : count(value) + (unit === "" || unit.startsWith("kB") ? "" : `\u202f${unit}`);
  }
}

const COLUMNS: Record<string, string> = {
  requests_percent: "%",
  bytes_percent: "%",
  hit_percent: "hit-%",
  byte_hit_percent: "hit-%",
  seconds_per_request: "sec/req",
  kb_per_second: "kB/sec",
};

function calamaris(): void {
  const box = section("Tables of Calamaris", "calamaris");
  for (let i = 0; i <= 21; i += 1) {
    const sheet = report.tables[`C${i}`];
    if (sheet === undefined || sheet.rows.every((row) => row[0] === "Sum")) {
      continue;
    }
    const columns = sheet.id === "C0" ? sheet.columns.slice(0, 2) : sheet.columns;
    const titles = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, COLUMNS[name] ?? name.replaceAll("_", " "))));
    const body = element("tbody");
    sheet.rows.forEach((row, at) => {
      const line = element("tr", { class: row[0] === "Sum" ? "sum" : `level${sheet.levels[at] ?? 0}` });
      columns.forEach((_, column) => {
        const unit = sheet.id === "C0" && column === 1 ? String(row[2] ?? "") : (sheet.units[column] ?? "");
        const text = cellText(row[column], unit);
        line.append(column === 0 ? element("th", { scope: "row", class: "name", title: text }, text) : element("td", {}, text));
      });
      body.append(line);
    });
    const details = element("details", { "data-sheet": sheet.id }, element("summary", {}, `${sheet.id}  ${sheet.title}`));
    details.append(element("div", { class: "scroll" }, element("table", { class: "sheet" }, element("thead", {}, titles), body)));
    if (sheet.note !== "") {
      details.append(element("p", { class: "said" }, sheet.note));
    }
    box.append(details);
  }
}

head();
if (number(report.summary["requests"]) > 0) {
  series();
  rankings();
  distributions();
  missRatio();
  urls();
  calamaris();
}
const draw = (): void => redraws.forEach((redraw) => redraw());
draw();
let width = main.clientWidth;
new ResizeObserver(() => {
  if (main.clientWidth !== width) {
    width = main.clientWidth;
    draw();
  }
}).observe(main);
document.body.dataset["drawn"] = "true";
