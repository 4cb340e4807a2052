// The live stream, protocol 1: bytes of `/ws` become models, and models become the tables that charts draw.
//
// The only module that knows the format, which is written down in `src/page/stream.md`; section numbers are of that page.
// Numbers on the wire are 64 bits wide and are kept as bigint, since bytes since start pass 2^53; views hand out plain numbers.

import { ProtocolError, Reader } from "./reader";

export { ProtocolError };

export const PROTOCOL = 1;

export type Kind = "status" | "table" | "rank" | "matrix" | "series" | "changes";
export type Measure = "requests" | "bytes" | "misses" | "errors" | "time_ms";

/** Spans that end now, shortest first; `total` is since the engine's start. */
export const WINDOWS = ["1m", "10m", "1h", "24h", "total"] as const;
export type Window = (typeof WINDOWS)[number];

/** What a view asks for; `view` is the page's own number for it. */
export interface Subscription {
  view: number;
  kind: Kind;
  dimension?: string;
  measure?: Measure;
  window?: Window;
  first?: number;
  rows?: number;
  filters?: string[];
}

export interface Hello {
  version: string;
  protocol: number;
  /** Names this run of the engine: another value means that counting began anew. */
  start: string;
  /** The engine's clock in Unix seconds. */
  now: number;
  name: string;
}

export type Control =
  | { type: "hello"; hello: Hello }
  | { type: "stream"; view: number; stream: number }
  | { type: "refused"; view: number; reason: string; allowed: string[] }
  | { type: "error"; reason: string };

export const subscribeText = (subscription: Subscription): string => JSON.stringify({ subscribe: subscription });
export const dropText = (view: number): string => JSON.stringify({ drop: { view } });

/** Reads a text frame (section 2); null for an object that says nothing this page knows. */
export function parseControl(text: string): Control | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("text that is not JSON");
  }
  if (!isObject(value)) {
    throw new ProtocolError("text that is not a JSON object");
  }
  if (isObject(value["hello"])) {
    const { version, protocol, start, now, name } = value["hello"];
    if (typeof protocol !== "number" || typeof start !== "string") {
      throw new ProtocolError("a hello without protocol or start");
    }
    return {
      type: "hello",
      hello: {
        protocol,
        start,
        version: typeof version === "string" ? version : "",
        now: typeof now === "number" ? now : 0,
        name: typeof name === "string" ? name : "",
      },
    };
  }
  const { view, stream, refused, allowed, error } = value;
  if (typeof view === "number" && typeof stream === "number") {
    return { type: "stream", view, stream };
  }
  if (typeof view === "number" && typeof refused === "string") {
    const texts = Array.isArray(allowed) ? allowed.filter((item) => typeof item === "string") : [];
    return { type: "refused", view, reason: refused, allowed: texts };
  }
  return typeof error === "string" ? { type: "error", reason: error } : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The head of one binary message (section 3); `body` stands at the first byte after it. */
export interface Message {
  snapshot: boolean;
  stream: number;
  seq: number;
  tick: number;
  /** The engine's clock, milliseconds since the epoch. */
  asOf: number;
  body: Reader;
}

export function openMessage(bytes: Uint8Array): Message {
  const body = new Reader(bytes);
  const type = body.int();
  if (type !== 1 && type !== 2) {
    throw new ProtocolError(`message type ${type}`);
  }
  return { snapshot: type === 1, stream: body.int(), seq: body.int(), tick: body.int(), asOf: body.int(), body };
}

/** Bounds on what a model can grow to; a later protocol may add numbers, never hundreds of them. */
const MAX_HEAD = 256;
const MAX_LISTS = 8;
const MAX_TEXTS = 64;
const MAX_VALUES = 16;

interface List {
  ids: number[];
  names: Map<number, string>;
}

/** One stream's state: what its snapshot and deltas have said so far. */
export class Model {
  head: bigint[] = [];
  texts: string[] = [];
  seq = 0;
  tick = 0;
  asOf = 0;
  /** False until the first snapshot. */
  ready = false;
  /** Keys of the cells that the last message removed or changed; after a snapshot, all there are. */
  touched: string[] = [];
  #lists: List[] = [];
  #cells = new Map<string, bigint[]>();

  constructor(readonly kind: Kind) {}

  /**
   * Takes the next message of this stream. `old` was skipped; after `gap` the stream must be asked for anew.
   * A message that throws may have been taken in part: the model is of no use afterwards.
   */
  apply(message: Message): "applied" | "old" | "gap" {
    if (message.snapshot) {
      this.head = [];
      this.texts = [];
      this.#lists = [];
      this.#cells = new Map();
    } else if (!this.ready) {
      // Still from before this stream was asked for: its snapshot is on the way.
      return "old";
    } else if (message.seq !== this.seq + 1) {
      return message.seq <= this.seq ? "old" : "gap";
    }
    const { body } = message;
    this.touched = [];
    this.#readHead(body);
    this.#readLists(body);
    this.#readCells(body);
    for (let n = body.count(2); n > 0; n -= 1) {
      const index = body.index(MAX_TEXTS);
      this.texts[index] = body.text();
    }
    body.end();
    this.seq = message.seq;
    this.tick = message.tick;
    this.asOf = message.asOf;
    this.ready = true;
    return "applied";
  }

  /** The number at `index` of the head; 0 where none was sent. */
  number(index: number): number {
    return Number(this.head[index] ?? 0n);
  }

  text(index: number): string {
    return this.texts[index] ?? "";
  }

  ids(list: number): readonly number[] {
    return this.#lists[list]?.ids ?? [];
  }

  name(list: number, id: number): string {
    return this.#lists[list]?.names.get(id) ?? "";
  }

  /** The values under a key, or undefined where no cell is. */
  cell(first: number, second?: number): number[] | undefined {
    return this.#cells.get(keyText(first, second))?.map(Number);
  }

  /** All keys with one number, ascending. */
  keys(): number[] {
    return [...this.#cells.keys()].map(Number).sort((a, b) => a - b);
  }

  #readHead(body: Reader): void {
    let index = -1;
    for (let n = body.count(2); n > 0; n -= 1) {
      index = body.index(MAX_HEAD, index + 1 + body.int());
      this.head[index] = BigInt.asUintN(64, (this.head[index] ?? 0n) + body.zigzag());
    }
  }

  #readLists(body: Reader): void {
    for (let n = body.count(3); n > 0; n -= 1) {
      const index = body.index(MAX_LISTS);
      const ids = Array.from({ length: body.count() }, () => body.int());
      const known = this.#lists[index]?.names;
      const entering = new Map<number, string>();
      for (let m = body.count(2); m > 0; m -= 1) {
        const id = body.int();
        entering.set(id, body.text());
      }
      const names = new Map<number, string>();
      for (const id of ids) {
        const name = entering.get(id) ?? known?.get(id);
        if (name === undefined) {
          throw new ProtocolError(`row ${id} without a name`, body.at);
        }
        names.set(id, name);
      }
      if (names.size !== ids.length) {
        throw new ProtocolError("a row that is listed twice", body.at);
      }
      this.#lists[index] = { ids, names };
    }
  }

  #readCells(body: Reader): void {
    const pairs = this.kind === "matrix";
    const read = keyReader(body, pairs);
    for (let n = body.count(pairs ? 2 : 1); n > 0; n -= 1) {
      const key = read();
      this.#cells.delete(key);
      this.touched.push(key);
    }
    const readChanged = keyReader(body, pairs);
    for (let n = body.count(pairs ? 3 : 2); n > 0; n -= 1) {
      const key = readChanged();
      let mask = body.index(2 ** MAX_VALUES);
      let values = this.#cells.get(key);
      if (values === undefined) {
        values = [];
        this.#cells.set(key, values);
      }
      this.touched.push(key);
      for (let i = 0; mask > 0; i += 1, mask >>= 1) {
        if (mask & 1) {
          values[i] = BigInt.asUintN(64, (values[i] ?? 0n) + body.zigzag());
        }
      }
      for (let i = 0; i < values.length; i += 1) {
        values[i] ??= 0n;
      }
    }
  }
}

/** Reads ascending keys; the count of removed keys and that of changed ones each begin anew. */
function keyReader(body: Reader, pairs: boolean): () => string {
  let before = pairs ? 0 : -1;
  let second = -1;
  return () => {
    const gap = body.int();
    if (!pairs) {
      before += 1 + gap;
      return keyText(before);
    }
    const next = body.int();
    if (gap === 0 && next <= second) {
      throw new ProtocolError("pairs that do not ascend", body.at);
    }
    before += gap;
    second = next;
    return keyText(before, second);
  };
}

function keyText(first: number, second?: number): string {
  return second === undefined ? `${first}` : `${first},${second}`;
}

// What the numbers of each kind mean (section 4).

/** A measure's value and the part of it in each band. */
export interface Bands {
  value: number;
  hit: number;
  miss: number;
  error: number;
}

export interface TableRow extends Bands {
  id: number;
  name: string;
  /** The true value lies between `value` and `value + bound`. */
  bound: number;
}

export interface TableView {
  keys: number;
  /** False: `keys` is a lower bound. */
  keysExact: boolean;
  coveredMs: number;
  /** The first rank shown, from 1. */
  first: number;
  total: Bands;
  /** All rows that are not shown. */
  others: Bands;
  /** The most that a row not held can have. */
  unheldMost: number;
  rows: TableRow[];
}

export interface RankPoint {
  rank: number;
  value: number;
  /** The sum of ranks 1 to this. */
  cumulative: number;
}

export interface RankView {
  keys: number;
  keysExact: boolean;
  total: number;
  points: RankPoint[];
}

export interface MatrixItem {
  id: number;
  name: string;
}

export interface MatrixCell extends Bands {
  row: number;
  column: number;
}

export interface MatrixView {
  coveredMs: number;
  total: number;
  rows: MatrixItem[];
  columns: MatrixItem[];
  /** Pairs that occurred, by row and column id, rows first. */
  cells: MatrixCell[];
}

export type NodeState = "live" | "lagging" | "idle" | "silent";

export interface NodeRow {
  id: number;
  name: string;
  state: NodeState;
  /** Null: unknown. */
  lagMs: number | null;
  /** Milliseconds since the epoch, 0 before the first. */
  lastArrival: number;
  connections: number;
  requests: number;
}

export interface Rejection {
  cause: string;
  connections: number;
  segments: number;
  entries: number;
  bytes: number;
}

export interface StatusView {
  asOf: number;
  received: number;
  requests: number;
  streamBytes: number;
  rejectedConnections: number;
  rejectedSegments: number;
  rejectedEntries: number;
  lagMs: number | null;
  memory: number;
  memoryCap: number;
  nodesConnected: number;
  nodesKnown: number;
  countingSince: number;
  defaultSecretExposed: boolean;
  orphaning: boolean;
  pageExposed: boolean;
  badEntries: number;
  connectionsAccepted: number;
  collationAddresses: string;
  pageAddresses: string;
  /** Where a node would reach this machine, e.g. `192.0.2.7:8085`. */
  ownAddress: string;
  secret: string;
  lastRefused: { at: number; peer: string; cause: string } | null;
  rejections: Rejection[];
  nodes: NodeRow[];
}

export function tableView(model: Model): TableView {
  return {
    keys: model.number(0),
    keysExact: model.number(1) === 1,
    coveredMs: model.number(2),
    first: Math.max(1, model.number(3)),
    total: bandsOfHead(model, 4),
    others: bandsOfHead(model, 8),
    unheldMost: model.number(12),
    rows: model.ids(0).map((id) => {
      const values = model.cell(id) ?? [];
      return { id, name: model.name(0, id), ...bands(values), bound: values[4] ?? 0 };
    }),
  };
}

export function rankView(model: Model): RankView {
  return {
    keys: model.number(0),
    keysExact: model.number(1) === 1,
    total: model.number(3),
    points: model.keys().map((rank) => {
      const [value = 0, cumulative = 0] = model.cell(rank) ?? [];
      return { rank, value, cumulative };
    }),
  };
}

export function matrixView(model: Model): MatrixView {
  const items = (list: number): MatrixItem[] => model.ids(list).map((id) => ({ id, name: model.name(list, id) }));
  const [rows, columns] = [items(0), items(1)];
  const cells: MatrixCell[] = [];
  for (const row of rows) {
    for (const column of columns) {
      const values = model.cell(row.id, column.id);
      if (values !== undefined) {
        cells.push({ row: row.id, column: column.id, ...bands(values) });
      }
    }
  }
  return { coveredMs: model.number(0), total: model.number(1), rows, columns, cells };
}

const STATES: readonly NodeState[] = ["live", "lagging", "idle", "silent"];

export function statusView(model: Model): StatusView {
  const flags = model.number(13);
  return {
    asOf: model.asOf,
    received: model.number(0),
    requests: model.number(1),
    streamBytes: model.number(2),
    rejectedConnections: model.number(3),
    rejectedSegments: model.number(4),
    rejectedEntries: model.number(5),
    lagMs: oneMore(model.number(6)),
    memory: model.number(7),
    memoryCap: model.number(8),
    nodesConnected: model.number(9),
    nodesKnown: model.number(10),
    countingSince: model.number(12),
    defaultSecretExposed: (flags & 1) !== 0,
    orphaning: (flags & 2) !== 0,
    pageExposed: (flags & 4) !== 0,
    badEntries: model.number(14),
    connectionsAccepted: model.number(15),
    collationAddresses: model.text(0),
    pageAddresses: model.text(1),
    ownAddress: model.text(2),
    secret: model.text(3),
    lastRefused: lastRefused(model.text(4)),
    rejections: rejections(model.text(5)),
    nodes: model.ids(0).map((id) => {
      const [state = 0, lag = 0, lastArrival = 0, connections = 0, requests = 0] = model.cell(id) ?? [];
      const name = model.name(0, id);
      return { id, name, state: STATES[state] ?? "silent", lagMs: oneMore(lag), lastArrival, connections, requests };
    }),
  };
}

function bands([value = 0, hit = 0, miss = 0, error = 0]: readonly number[]): Bands {
  return { value, hit, miss, error };
}

function bandsOfHead(model: Model, at: number): Bands {
  return bands([0, 1, 2, 3].map((i) => model.number(at + i)));
}

/** Undoes *plus 1, 0 is unknown*. */
function oneMore(value: number): number | null {
  return value === 0 ? null : value - 1;
}

function json(text: string): Record<string, unknown> {
  try {
    const value: unknown = text === "" ? {} : JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    throw new ProtocolError("a status text that is not JSON");
  }
}

function lastRefused(text: string): StatusView["lastRefused"] {
  const { at, peer, cause } = json(text);
  return typeof at === "number" && typeof peer === "string" && typeof cause === "string" ? { at, peer, cause } : null;
}

function rejections(text: string): Rejection[] {
  return Object.entries(json(text)).map(([cause, counts]) => {
    const numbers: unknown[] = Array.isArray(counts) ? counts : [];
    const at = (i: number): number => (typeof numbers[i] === "number" ? numbers[i] : 0);
    return { cause, connections: at(0), segments: at(1), entries: at(2), bytes: at(3) };
  });
}
