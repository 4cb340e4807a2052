// The status line: how the connection, the nodes and the engine are. When width is short, items go in a fixed order.

import { select } from "d3-selection";
import { sparkline } from "../charts/sparkline";
import * as format from "../data/format";
import type { NodeRow, StatusView } from "../data/protocol";
import type { Rates } from "../data/rates";
import type { State } from "../data/socket";
import { element, find, mark, write } from "../dom";
import { causeInWords } from "./causes";

export interface StatusData {
  connection: State;
  name: string;
  status: StatusView | null;
  rates: Rates;
  /** Milliseconds since the epoch by the engine's clock; null before its first word. */
  now: number | null;
  /** Milliseconds since the newest message; null before it. */
  age: number | null;
  /** Milliseconds until the next attempt. */
  retryIn: number;
  utc: boolean;
}

/** Above these an engine lag is amber, then red. */
const LAG = [12_000, 30_000] as const; // ms
const MEMORY = [0.8, 0.95] as const;
const OLD = 3_000; // ms
/** With more nodes than this, only those that are not live have a tick. */
const MAX_TICKS = 24;
/** What goes when width is short, in this order. */
const DROPS = ["time", "stream", "spark", "gauge", "names"];

export function statusLine(root: HTMLElement, onZone: () => void): { draw(data: StatusData): void; fit(): void } {
  const item = (name: string): HTMLElement => find(`[data-item="${name}"]`, root);
  const part = (name: string, selector: string): HTMLElement => find(selector, item(name));
  const spark = sparkline();
  const rejected = part("rejected", "button");
  const rejections = find("#rejections", root);
  let lengths = "";

  part("time", "button").addEventListener("click", onZone);
  rejected.addEventListener("click", () => open(rejections.hidden !== false));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !rejections.hidden) {
      open(false);
      rejected.focus();
    }
  });

  function open(shown: boolean): void {
    rejections.hidden = !shown;
    mark(rejected, "aria-expanded", String(shown));
  }

  function draw(data: StatusData): void {
    const { status, rates, now, age } = data;
    write(find("#engine-name", root), format.shown(data.name));
    drawConnection(item("connection"), data);
    drawNodes(item("nodes"), status);
    write(part("records", ".number"), rates.records === null ? (status === null ? format.MISSING : "0") : format.count(whole(rates.records)));
    select<SVGSVGElement, number[]>(find<SVGSVGElement>(".spark", item("records"))).datum(rates.history).call(spark);
    write(part("stream", ".number"), rates.bytes === null ? (status === null ? format.MISSING : "0") : format.bytes(whole(rates.bytes)));
    number("lag", status?.lagMs ?? null, status?.lagMs == null ? format.MISSING : format.seconds(status.lagMs), level(status?.lagMs ?? 0, LAG));
    const refused = status === null ? null : status.rejectedConnections + status.rejectedSegments;
    number("rejected", refused, refused === null ? format.MISSING : format.count(refused), status !== null && rates.rejectedLately(status.asOf) ? "bad" : "");
    drawMemory(item("memory"), status);
    number("data", age, age === null ? format.MISSING : `${format.seconds(age)} old`, age !== null && age > OLD ? "bad" : "");
    write(part("time", "dt"), now === null ? "time" : format.zone(now, data.utc));
    write(part("time", ".number"), now === null ? format.MISSING : format.clock(now, data.utc));
    drawRejections(rejections, status);
    const next = (root.textContent ?? "").replace(/\d/g, "0");
    if (next !== lengths) {
      lengths = next;
      fit();
    }
  }

  function number(name: string, value: number | null, text: string, level: string): void {
    const node = part(name, ".number");
    write(node, text);
    mark(node, "data-value", value === null ? null : String(value));
    mark(item(name), "data-level", level === "" ? null : level);
  }

  /** Drops items until each group fits its line. */
  function fit(): void {
    root.classList.remove(...DROPS.map((name) => `no-${name}`));
    const groups = [...root.querySelectorAll(".group")];
    for (const name of DROPS) {
      if (groups.every((group) => group.scrollWidth <= group.clientWidth + 1) && root.scrollWidth <= root.clientWidth + 1) {
        return;
      }
      root.classList.add(`no-${name}`);
    }
  }

  return { draw, fit };
}

function drawConnection(item: HTMLElement, { connection, retryIn }: StatusData): void {
  const seconds = Math.max(0, Math.ceil(retryIn / 1000));
  const word = {
    connecting: connection.phase === "connecting" && connection.attempt > 1 ? "Reconnecting" : "Connecting",
    connected: "Connected",
    waiting: `Reconnecting in ${seconds}\u202fs`,
    outdated: "Disconnected",
  }[connection.phase];
  write(find(".word", item), word);
  mark(item, "data-phase", connection.phase);
}

function drawNodes(item: HTMLElement, status: StatusView | null): void {
  const nodes = status?.nodes ?? [];
  const known = Math.max(status?.nodesKnown ?? 0, nodes.length);
  // Nodes that are expected and were never seen stand behind the others.
  const unseen = Array.from({ length: known - nodes.length }, (_, i) => ({ key: `unseen ${i}`, state: "unseen", text: "not seen yet" }));
  const ticks = [...nodes.map((node) => ({ key: node.name, state: node.state as string, text: `${format.nodeName(node.name)} ${reason(node, status)}` })), ...unseen];
  const drawn = ticks.length > MAX_TICKS ? ticks.filter((tick) => tick.state !== "live").slice(0, MAX_TICKS) : ticks;
  select(find(".ticks", item))
    .selectAll<HTMLLIElement, (typeof drawn)[number]>("li")
    .data(drawn, (tick) => tick.key)
    .join((enter) => {
      const tick = enter.append("li");
      tick.append("span").attr("class", "unseen");
      return tick;
    })
    .order()
    .attr("data-key", (tick) => tick.key)
    .attr("data-state", (tick) => tick.state)
    .each(function (tick) {
      mark(this, "title", tick.text);
      write(this.firstElementChild as Element, tick.text);
    });
  const connected = status?.nodesConnected ?? 0;
  write(find(".count", item), status === null ? format.MISSING : known === 0 ? "0" : `${connected} of ${known}`);
  const bad = [...nodes.filter((node) => node.state === "silent"), ...nodes.filter((node) => node.state === "lagging")];
  const named = bad.slice(0, 2).map((node) => ({ name: format.nodeName(node.name), text: ` ${reason(node, status)}`, state: node.state as string }));
  if (bad.length > 2) {
    named.push({ name: "", text: `and ${bad.length - 2} more`, state: "" });
  } else if (known === 0 && status !== null) {
    named.push({ name: "", text: "waiting", state: "" });
  }
  select(find(".names", item))
    .selectChildren<HTMLSpanElement, (typeof named)[number]>("span")
    .data(named)
    .join((enter) => {
      const span = enter.append("span");
      span.append("b");
      span.append("span");
      return span;
    })
    .attr("data-state", (node) => node.state)
    .each(function (node) {
      write(this.children[0] as Element, node.name);
      write(this.children[1] as Element, node.text);
    });
}

function reason(node: NodeRow, status: StatusView | null): string {
  switch (node.state) {
    case "silent":
      return node.lastArrival > 0 && status !== null ? `silent ${format.seconds(Math.max(0, status.asOf - node.lastArrival))}` : "silent";
    case "lagging":
      return node.lagMs === null ? "lags" : `lags ${format.seconds(node.lagMs)}`;
    default:
      return node.lagMs === null ? node.state : `${node.state}, ${format.seconds(node.lagMs)} behind`;
  }
}

function drawMemory(item: HTMLElement, status: StatusView | null): void {
  const [used, of] = status === null ? [format.MISSING, ""] : format.memory(status.memory, status.memoryCap);
  const part = status !== null && status.memoryCap > 0 ? status.memory / status.memoryCap : 0;
  write(find(".number", item), used);
  mark(find(".number", item), "data-value", status === null ? null : String(status.memory));
  const [long, short] = item.querySelectorAll(".unit");
  write(long as Element, of);
  write(short as Element, of.replace(/^of /, "/\u202f").replace(/iB$/, ""));
  mark(find(".used", item), "width", (64 * Math.min(1, part)).toFixed(1));
  mark(item, "data-level", level(part, MEMORY) || null);
}

function drawRejections(node: HTMLElement, status: StatusView | null): void {
  const rows = status?.rejections ?? [];
  if (node.firstChild === null) {
    node.append(element("p", {}), element("ul"));
  }
  write(node.children[0] as Element, rows.length === 0 ? "Nothing was rejected since the engine started." : "Rejected since the engine started");
  select(node.children[1] as Element)
    .selectAll<HTMLLIElement, (typeof rows)[number]>("li")
    .data(rows, (row) => row.cause)
    .join("li")
    .attr("data-key", (row) => row.cause)
    .each(function (row) {
      const counts = [
        some(row.connections, "connection"),
        some(row.segments, "segment"),
        row.entries === 0 ? "" : `with ${some(row.entries, "entry", "entries")}`,
        row.bytes === 0 ? "" : format.bytes(row.bytes),
      ];
      write(this, `${causeInWords(row.cause)}: ${counts.filter((text) => text !== "").join(", ")}`);
    });
}

function some(count: number, one: string, more = `${one}s`): string {
  return count === 0 ? "" : `${format.exact(count)} ${count === 1 ? one : more}`;
}

function level(value: number, [amber, red]: readonly [number, number]): string {
  return value > red ? "bad" : value > amber ? "warn" : "";
}

/** A rate under 1 000 needs no fraction. */
function whole(rate: number): number {
  return rate >= 10 && rate < 1000 ? Math.round(rate) : rate === 0 ? 0 : rate;
}
