// The page's numbers beside those of the API.

import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import * as format from "../src/data/format";
import type { Engine } from "./engine";
import { until } from "./until";
import { read, type Shown, type ShownTable, type Visit } from "./visit";

type Numbers = Record<"requests" | "bytes" | "hits" | "hit_bytes" | "misses" | "miss_bytes" | "errors" | "error_bytes" | "error_bound" | "bytes_error_bound", number>;
interface Top {
  rows: ({ key: string } & Numbers)[];
  other: Numbers;
  total: Numbers;
  keys: { count: number };
}
interface Matrix {
  rows: string[];
  columns: string[];
  cells: ({ row: number; column: number } & Numbers)[];
}
interface Summary extends Numbers {
  nodes_connected: number;
  entries: { received: number };
  rejected: Record<string, { connections: number; segments: number }>;
}
interface Nodes {
  rows: { key: string; state: string }[];
}

export interface Asked {
  measure?: "requests" | "bytes";
  /** First ranks and numbers of rows shown. */
  sites?: [first: number, rows: number];
  clients?: [first: number, rows: number];
  circles?: number;
}

const BANDS = {
  requests: ["hits", "misses", "errors", "error_bound"],
  bytes: ["hit_bytes", "miss_bytes", "error_bytes", "bytes_error_bound"],
} as const;

/** What the page should show, by the API. */
async function told(engine: Engine, { measure = "requests", sites = [1, 12], clients = [1, 10], circles = 20 }: Asked): Promise<Shown> {
  const [hit, miss, error, bound] = BANDS[measure];
  const table = async (dimension: string, [first, limit]: [number, number]): Promise<ShownTable> => {
    const top = await engine.get<Top>(`top?dimension=${dimension}&measure=${measure}&window=total&limit=${limit}&offset=${first - 1}`);
    return {
      rows: top.rows.map((row, i) => ({ key: row.key, rank: first + i, value: row[measure], hit: row[hit], miss: row[miss], error: row[error], bound: row[bound] })),
      others: { count: top.keys.count - top.rows.length, value: top.other[measure] },
      last: top.keys.count,
    };
  };
  const summary = await engine.get<Summary>("summary?window=total");
  const nodes = await engine.get<Nodes>("nodes");
  const matrix = await engine.get<Matrix>(`matrix?rows=site&columns=client&measure=${measure}&window=total&n=${circles}`);
  const size = measure === "bytes" ? `${format.bytes(summary.bytes)} to clients` : `${format.count(summary.requests)} requests`;
  const known = summary[hit] + summary[miss] + summary[error];
  return {
    sites: await table("site", sites),
    clients: await table("client", clients),
    matrix: {
      rows: matrix.rows,
      columns: matrix.columns,
      cells: Object.fromEntries(matrix.cells.map((cell) => [`${matrix.rows[cell.row]} ${matrix.columns[cell.column]}`, { value: cell[measure], hit: cell[hit] }])),
    },
    nodes: { count: `${summary.nodes_connected} of ${nodes.rows.length}`, ticks: Object.fromEntries(nodes.rows.map((node) => [node.key, node.state])) },
    rejected: Object.values(summary.rejected).reduce((sum, cause) => sum + cause.connections + cause.segments, 0),
    totals: `${size}; ${format.share(summary[hit], known)} served from cache, ${format.share(summary[error], known)} failed.`,
  };
}

/** Waits until page and API say the same; returns it. The feed must be at rest. */
export async function agree(visit: Visit, engine: Engine, asked: Asked = {}): Promise<Shown> {
  let [page, api] = [await read(visit), await told(engine, asked)];
  await until("page and API agree", async () => {
    [page, api] = [await read(visit), await told(engine, asked)];
    return isDeepStrictEqual(page, api);
  }).catch(() => {});
  expect(page).toEqual(api);
  return page;
}

/** Waits until the engine shows so many entries, in its totals and in its tables. */
export async function counted(engine: Engine, entries: number): Promise<void> {
  await until(`the engine counted ${entries} entries`, async () => {
    const summary = await engine.get<Summary>("summary?window=total");
    const top = await engine.get<Top>("top?dimension=site&measure=requests&window=total&limit=1");
    return summary.entries.received === entries && top.total.requests === entries;
  });
}
