// A stand-in for the engine, for looking at the page: speaks the live stream over a mocked socket, with invented data.
// The same seed gives the same hour: traffic that wanders, and one origin that starts answering 503.

import type { Page, WebSocketRoute } from "playwright-core";
import { type Body, message, series } from "../encode";

export interface Scene {
  /** Seconds since the epoch. */
  now: number;
  /** When counting began; what lies before it is not recorded. */
  began: number;
  /** Since when an origin fails. */
  incident?: number;
  /** Seconds without any node. */
  gap?: [from: number, to: number];
  /** Part of the requests without a result code. */
  unknown?: number;
  /** Nothing is asked of the nodes. */
  quiet?: boolean;
  /** Windows that tables are kept for. */
  kept?: readonly string[];
  /** Windows that series are kept for. */
  keptSeries?: readonly string[];
}

const WINDOWS: Record<string, [step: number, points: number]> = { "1m": [1, 60], "10m": [2, 300], "1h": [10, 360], "24h": [300, 288] };
/** Buckets are complete this long after their end. */
const COMPLETE = 3; // s

/** A number from 0 to 1 that is the same for the same arguments. */
function chance(...of: number[]): number {
  let hash = 0x811c9dc5;
  for (const part of of) {
    hash = Math.imul(hash ^ (part | 0), 0x01000193);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    hash ^= hash >>> 13;
  }
  return (hash >>> 0) / 2 ** 32;
}

/** Wanders smoothly around 0, by about 1. */
function wander(second: number, seed: number): number {
  let sum = 0;
  for (const [period, size] of [[1800, 0.6], [420, 0.3], [70, 0.12], [11, 0.06]] as const) {
    const at = second / period;
    const [a, b] = [chance(Math.floor(at), seed, period), chance(Math.floor(at) + 1, seed, period)];
    const part = (1 - Math.cos(Math.PI * (at % 1))) / 2;
    sum += size * (2 * (a + (b - a) * part) - 1);
  }
  return sum;
}

function cell(bucket: number, step: number, scene: Scene): number[] {
  const at = bucket * step;
  if (scene.quiet === true) {
    return Array.from({ length: 16 }, () => 0);
  }
  const all = 1.6e6 * step * (1 + 0.06 * wander(at, 1) + 0.01 * (chance(at, 2) - 0.5));
  const failing = scene.incident !== undefined && at >= scene.incident ? 0.055 * Math.min(1, (at - scene.incident + step) / 240) : 0;
  const shares = [0.824 + 0.01 * wander(at, 3) - 0.6 * failing, 0.053 + 0.004 * wander(at, 4), 0.003 + failing];
  const [hit = 0, refresh = 0, error = 0] = shares.map((share) => Math.round(share * all));
  const miss = Math.round(all) - hit - refresh - error;
  const bytes = Math.round(all * 28_000 * (1 + 0.08 * wander(at, 5)));
  const slow = failing > 0.03 ? 3000 : 79 * (1 + 0.1 * wander(at, 6)) * (1 + 40 * failing);
  const clients = Math.round(9400 + 300 * wander(at, 7) + Math.max(-3000, (at - scene.now) / 20));
  return [
    hit, refresh, miss, error, Math.round(all * (scene.unknown ?? 0)), bytes, Math.round(bytes * (0.891 + 0.01 * wander(at, 8))), 0, Math.round(bytes * 0.108),
    4, Math.round(slow) + 1, Math.round(failing > 0 ? 3000 : 424 * (1 + 0.2 * wander(at, 9))) + 1,
    Math.round(all * 0.013 * (1 + 0.3 * wander(at, 10))), Math.round(error * 1.1), clients, Math.round((1.1 * all) / step),
  ];
}

export function seriesBody(window: string, scene: Scene): Body {
  let [step = 1, points = 300] = WINDOWS[window] ?? [];
  if (window === "total") {
    for (points = 300; (scene.now - scene.began) / step >= 300; step *= 2) {
      // The step grows until the points are few enough.
    }
  }
  const newest = Math.floor(scene.now / step);
  const began = Math.floor(scene.began / step);
  const first = window === "total" ? began : newest - points;
  const cells: Record<number, number[]> = {};
  for (let bucket = Math.max(first, began); bucket <= newest; bucket += 1) {
    const gap = scene.gap !== undefined && bucket * step >= scene.gap[0] && bucket * step < scene.gap[1];
    if (!gap) {
      cells[bucket] = cell(bucket, step, scene);
    }
  }
  const incomplete = Math.floor((scene.now - COMPLETE) / step);
  const coveredMs = Math.round(1000 * (scene.now - Math.max(first * step, scene.began)));
  return series({ step, first, newest, incomplete, coveredMs, began, cells });
}

const SITES = "plover-video heron curlew-news avocet-cdn dunlin-shop knot-updates redshank-maps turnstone-img sanderling-social whimbrel-games godwit-audio lapwing-mail ruff-weather snipe-fonts".split(" ").map((name) => `${name}.example`);
const name = (dimension: string, i: number): string =>
  dimension === "site" ? (SITES[i] ?? `site-${i}.example`) : `10.${14 + (i % 4) * 8}.${(i * 37) % 256}.${(i * 91) % 256}`;

interface Wanted {
  view: number;
  kind: string;
  dimension?: string;
  window?: string;
  first?: number;
  rows?: number;
}

function bodyOf(wanted: Wanted, scene: Scene): Body {
  const covered = Math.min(scene.now - scene.began, { "1m": 60, "10m": 600, "1h": 3600, "24h": 86_400 }[wanted.window ?? ""] ?? Infinity);
  const scale = scene.quiet === true ? 0 : covered;
  const value = (rank: number): number => Math.round((88_400 / rank ** 0.7) * scale);
  const bands = (value: number, i: number): number[] => {
    const hit = Math.round(value * (0.7 + 0.25 * chance(i, 20)));
    const error = scene.incident !== undefined && i === 1 ? Math.round(value * 0.26) : Math.round(value * 0.003);
    return [value, Math.min(hit, value - error), value - error - Math.min(hit, value - error), error];
  };
  const held = 2031;
  switch (wanted.kind) {
    case "series":
      return seriesBody(wanted.window ?? "total", scene);
    case "status": {
      const nodes = Array.from({ length: 12 }, (_, i) => `${i < 6 ? "fra" : "ams"}-${String((i % 6) + 1).padStart(2, "0")}@192.0.2.${i + 1}`);
      const numbers = [1.7e6 * covered, 1.7e6 * covered, 612e6 * covered, 0, 0, 0, 401, 1.9 * 2 ** 30, 4 * 2 ** 30, 12, 12, 1, scene.began * 1000, 0, 0, 12];
      return {
        head: numbers.map((value, i) => [i, Math.round(value)]),
        lists: [{ index: 0, ids: nodes.map((_, i) => i), entering: nodes.map((node, i) => [i, node]) }],
        changed: nodes.map((_, i) => ({ key: [i], values: [0, 301, scene.now * 1000, 1, 100] })),
        texts: [[0, "[::]:8085"], [1, "127.0.0.1:6011"], [2, "192.0.2.7:8085"], [3, "set"]],
      };
    }
    case "rank": {
      const ranks = [...new Set(Array.from({ length: 120 }, (_, i) => Math.round(held ** (i / 119))))];
      let [sum, at] = [0, 0];
      const changed = ranks.map((rank) => {
        for (; at < rank; at += 1) {
          sum += value(at + 1);
        }
        return { key: [rank], values: [value(rank), sum] };
      });
      return { head: [[0, held], [1, 1], [2, covered * 1000], [3, Math.round(1.7e6 * scale)]], changed };
    }
    case "matrix": {
      const n = wanted.rows ?? 20;
      const ids = Array.from({ length: n }, (_, i) => i);
      const list = (index: number, dimension: string): NonNullable<Body["lists"]>[number] => ({ index, ids, entering: ids.map((i) => [i, name(dimension, i)]) });
      const cells = ids.flatMap((row) => ids.filter((column) => chance(row, column, 30) > 0.3).map((column) => ({ key: [row, column], values: bands(Math.round(value(row + column + 1) * chance(row, column, 31) ** 3), row) })));
      return { head: [[0, covered * 1000], [1, Math.round(1.7e6 * scale)]], lists: [list(0, "site"), list(1, "client")], changed: cells };
    }
    default: {
      const [first, rows] = [wanted.first ?? 1, wanted.rows ?? 12];
      const ids = Array.from({ length: scene.quiet === true ? 0 : rows }, (_, i) => first - 1 + i);
      const shown = ids.map((i) => bands(value(i + 1), i));
      const total = bands(Math.round(1.7e6 * scale), 0);
      const others = total.map((all, i) => all - shown.reduce((sum, row) => sum + (row[i] ?? 0), 0));
      return {
        head: [scene.quiet === true ? 0 : held, 1, covered * 1000, first, ...total, ...others].map((value, i) => [i, value]),
        lists: [{ index: 0, ids, entering: ids.map((i) => [i, name(wanted.dimension ?? "site", i)]) }],
        changed: ids.map((i, n) => ({ key: [i], values: [...(shown[n] ?? []), 0] })),
      };
    }
  }
}

/** Answers the page's socket. `step` lets a second pass: every view gets its next data. */
export async function pretend(page: Page, scene: Scene): Promise<{ step(): void }> {
  const views = new Map<number, { wanted: Wanted; stream: number }>();
  let streams = 0;
  let socket: WebSocketRoute | null = null;

  function send({ wanted, stream }: { wanted: Wanted; stream: number }): void {
    socket?.send(Buffer.from(message({ type: 1, stream, seq: 1, tick: 1, asOf: Math.round(scene.now * 1000) }, bodyOf(wanted, scene))));
  }

  await page.routeWebSocket(/\/ws$/, (route) => {
    socket = route;
    route.onMessage((text) => {
      const { subscribe, drop } = JSON.parse(String(text)) as { subscribe?: Wanted; drop?: { view: number } };
      if (drop !== undefined) {
        views.delete(drop.view);
      } else if (subscribe !== undefined) {
        const kept = subscribe.kind === "series" ? scene.keptSeries : scene.kept;
        if (subscribe.window !== undefined && kept !== undefined && !kept.includes(subscribe.window)) {
          route.send(JSON.stringify({ view: subscribe.view, refused: `window ${subscribe.window} is not kept`, allowed: kept }));
          return;
        }
        streams += 1;
        const view = { wanted: subscribe, stream: streams };
        views.set(subscribe.view, view);
        route.send(JSON.stringify({ view: subscribe.view, stream: streams }));
        send(view);
      }
    });
    route.send(JSON.stringify({ hello: { version: "0.0.0", protocol: 1, start: "look", now: scene.now, kinds: ["status", "table", "rank", "matrix", "series"], name: "edge-eu" } }));
  });
  return {
    step() {
      scene.now += 1;
      views.forEach(send);
    },
  };
}
