// The decoder: vectors written by hand from `src/page/stream.md`, whatever is malformed, and random models there and back.

import { describe, expect, it } from "vitest";
import { matrixView, Model, openMessage, parseControl, ProtocolError, rankView, statusView, subscribeText, tableView } from "../src/data/protocol";
import { Reader } from "../src/data/reader";
import { message, varint, zigzag } from "./encode";

const bytes = (...list: number[]): Uint8Array => new Uint8Array(list);
const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

describe("numbers", () => {
  it.each([
    ["zero", [0x00], 0n],
    ["one byte", [0x7f], 127n],
    ["two bytes", [0x80, 0x01], 128n],
    ["300", [0xac, 0x02], 300n],
    ["2^53", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], 2n ** 53n],
    ["the most of 64 bits", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 2n ** 64n - 1n],
    ["more bytes than needed", [0x81, 0x80, 0x00], 1n],
  ])("reads %s", (_, list, value) => {
    const reader = new Reader(bytes(...list));
    expect(reader.varint()).toBe(value);
    reader.end();
  });

  it.each([
    ["nothing", []],
    ["a number cut short", [0x80]],
    ["11 bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
    ["65 bits", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]],
  ])("refuses %s", (_, list) => {
    expect(() => new Reader(bytes(...list)).varint()).toThrow(ProtocolError);
  });

  it("undoes zigzag", () => {
    for (const [coded, value] of [[0, 0n], [1, -1n], [2, 1n], [3, -2n]] as const) {
      expect(new Reader(bytes(coded)).zigzag()).toBe(value);
    }
    expect(new Reader(bytes(...zigzag(-(2n ** 63n)))).zigzag()).toBe(-(2n ** 63n));
  });
});

describe("messages by hand", () => {
  // Snapshot of stream 17, seq 1, tick 5, as_of 1000: a table of two rows.
  const snapshot = bytes(
    1, 17, 1, 5, 0xe8, 0x07,
    // head: number of keys 2 (index 0), exact 1 (index 1), first 1 (index 3), total 30 (index 4)
    4, 0, 4, 0, 2, 1, 2, 0, 60,
    // list 0: ids 7, 3; both enter
    1, 0, 2, 7, 3, 2, 7, 2, ...ascii("aa"), 3, 1, ...ascii("b"),
    // nothing removed; cells 3 (gap 3) and 7 (gap 3): value hit miss error bound
    0, 2, 3, 0b11111, 20, 10, 6, 4, 2, 3, 0b00001, 40,
    // text 1
    1, 1, 2, ...ascii("hi"),
  );

  it("takes a snapshot", () => {
    const opened = openMessage(snapshot);
    expect(opened).toMatchObject({ snapshot: true, stream: 17, seq: 1, tick: 5, asOf: 1000 });
    const model = new Model("table");
    expect(model.apply(opened)).toBe("applied");
    expect(model.text(0)).toBe("");
    expect(model.text(1)).toBe("hi");
    expect(tableView(model)).toMatchObject({
      keys: 2,
      keysExact: true,
      first: 1,
      total: { value: 30 },
      rows: [
        { id: 7, name: "aa", value: 20, hit: 0, miss: 0, error: 0, bound: 0 },
        { id: 3, name: "b", value: 10, hit: 5, miss: 3, error: 2, bound: 1 },
      ],
    });
  });

  it("takes a delta: a changed number, another order with one that enters, a removed cell", () => {
    const model = new Model("table");
    model.apply(openMessage(snapshot));
    const delta = bytes(
      2, 17, 2, 6, 0xd0, 0x0f,
      1, 4, 3, // total: index 4, minus 2
      1, 0, 2, 9, 7, 1, 9, 1, ...ascii("c"),
      1, 3, // removed: 3
      1, 7, 0b00011, 1, 2, // cell 7 (keys begin anew: gap 7): value minus 1, hit plus 1
      0,
    );
    expect(model.apply(openMessage(delta))).toBe("applied");
    const view = tableView(model);
    expect(view.total.value).toBe(28);
    expect(view.rows.map((row) => [row.id, row.name, row.value, row.hit])).toEqual([
      [9, "c", 0, 0],
      [7, "aa", 19, 1],
    ]);
    expect(model.cell(3)).toBeUndefined();
    expect(model.asOf).toBe(2000);
  });

  it("takes an empty delta, which only moves the clock", () => {
    const model = new Model("table");
    model.apply(openMessage(snapshot));
    expect(model.apply(openMessage(bytes(2, 17, 2, 6, 0xd0, 0x0f, 0, 0, 0, 0, 0)))).toBe("applied");
    expect([model.seq, model.asOf, tableView(model).total.value]).toEqual([2, 2000, 30]);
  });

  it("reads pairs: a gap of 0 is the same row again", () => {
    const model = new Model("matrix");
    const cells = [0, 3, 0, 5, 1, 2, 0, 6, 1, 4, 2, 5, 1, 6];
    model.apply(openMessage(bytes(1, 1, 1, 1, 1, 0, 0, ...cells, 0)));
    expect([model.cell(0, 5), model.cell(0, 6), model.cell(2, 5), model.cell(2, 6)]).toEqual([[1], [2], [3], undefined]);
  });

  it("skips what is old and notices a gap", () => {
    const model = new Model("table");
    expect(model.apply(openMessage(message({ type: 2, seq: 1 })))).toBe("old");
    model.apply(openMessage(message({ seq: 4 })));
    expect(model.apply(openMessage(message({ type: 2, seq: 4 })))).toBe("old");
    expect(model.apply(openMessage(message({ type: 2, seq: 6 })))).toBe("gap");
    expect(model.apply(openMessage(message({ type: 2, seq: 5 })))).toBe("applied");
  });

  it("starts anew with each snapshot", () => {
    const model = new Model("table");
    model.apply(openMessage(snapshot));
    model.apply(openMessage(message({ seq: 9 })));
    expect(tableView(model)).toMatchObject({ keys: 0, total: { value: 0 }, rows: [] });
    expect(model.text(1)).toBe("");
  });

  it("keeps numbers modulo 2^64 and exact above 2^53", () => {
    const model = new Model("rank");
    const big = 2n ** 63n + 1n;
    model.apply(openMessage(message({ seq: 1 }, { head: [[3, big]], changed: [{ key: [1], values: [big, 5] }] })));
    expect(model.head[3]).toBe(big);
    model.apply(openMessage(message({ type: 2, seq: 2 }, { head: [[3, -1n]], changed: [{ key: [1], values: [-big, -6] }] })));
    expect(model.head[3]).toBe(2n ** 63n);
    expect(model.cell(1)).toEqual([0, Number(2n ** 64n - 1n)]);
  });
});

describe("malformed messages", () => {
  const whole = message(
    { seq: 1 },
    {
      head: [[0, 2], [5, 1n << 40n]],
      lists: [{ index: 0, ids: [1, 2], entering: [[1, "ä"], [2, "b"]] }],
      removed: [[9]],
      changed: [{ key: [1], values: [1, undefined, -3] }],
      texts: [[2, "text"]],
    },
  );
  const read = (list: Uint8Array): void => {
    new Model("table").apply(openMessage(list));
  };

  it("is whole to begin with", () => {
    expect(() => read(whole)).not.toThrow();
  });

  it("refuses every beginning of a message", () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => read(whole.subarray(0, length)), `${length} bytes`).toThrow(ProtocolError);
    }
  });

  it("refuses bytes after the end", () => {
    expect(() => read(bytes(...whole, 0))).toThrow(ProtocolError);
  });

  const head = [1, 1, 1, 1, 1];
  it.each([
    ["an unknown type", [3, 1, 1, 1, 1, 0, 0, 0, 0, 0]],
    ["a head of 2^40 numbers", [...head, ...varint(2n ** 40n)]],
    ["a head index far out", [...head, 1, ...varint(300), 2, 0, 0, 0, 0]],
    ["a list of 2^50 ids", [...head, 0, 1, 0, ...varint(2n ** 50n)]],
    ["a list far out", [...head, 0, 1, 99, 0, 0, 0, 0, 0]],
    ["an id without a name", [...head, 0, 1, 0, 1, 5, 0, 0, 0, 0]],
    ["an id listed twice", [...head, 0, 1, 0, 2, 5, 5, 1, 5, 1, 97, 0, 0, 0]],
    ["an id over 2^53", [...head, 0, 1, 0, 1, ...varint(2n ** 60n), 0, 0, 0, 0]],
    ["a name longer than the message", [...head, 0, 1, 0, 1, 5, 1, 5, 100, 97]],
    ["a name that is not UTF-8", [...head, 0, 1, 0, 1, 5, 1, 5, 1, 0xff, 0, 0, 0]],
    ["2^60 removed cells", [...head, 0, 0, ...varint(2n ** 60n)]],
    ["a mask of 40 bits", [...head, 0, 0, 0, 1, 0, ...varint(2n ** 40n), 0, 0]],
    ["a text far out", [...head, 0, 0, 0, 0, 1, ...varint(1000), 0]],
  ])("refuses %s", (_, list) => {
    expect(() => read(bytes(...list))).toThrow(ProtocolError);
  });

  it("refuses pairs that do not ascend", () => {
    const list = [...head, 0, 0, 0, 2, 1, 5, 1, 2, 0, 5, 1, 2, 0];
    expect(() => new Model("matrix").apply(openMessage(bytes(...list)))).toThrow(ProtocolError);
  });

  it("ends on any bytes, in time, with an error of its own or none", () => {
    const random = generator(3);
    for (let n = 0; n < 4000; n += 1) {
      const list = Uint8Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * (n % 2 ? 256 : 12)));
      try {
        read(list);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});

describe("there and back", () => {
  it("keeps a model through random snapshots and deltas", () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const random = generator(seed);
      const int = (below: number): number => Math.floor(random() * below);
      const pairs = seed % 2 === 0;
      const model = new Model(pairs ? "matrix" : "table");
      const width = pairs ? 4 : 5;
      let heads = new Map<number, bigint>();
      let cells = new Map<string, bigint[]>();
      let list: number[] = [];
      const names = new Map<number, string>();
      for (let seq = 1; seq <= 12; seq += 1) {
        const snapshot = seq === 1 || random() < 0.1;
        if (snapshot) {
          heads = new Map();
          cells = new Map();
          list = [];
        }
        const head = [...new Set(Array.from({ length: int(5) }, () => int(15)))].sort((a, b) => a - b).map((index): [number, bigint] => {
          const next = BigInt.asUintN(64, BigInt(int(2 ** 30)) * BigInt(int(2 ** 30)) * 7n);
          const change = next - (heads.get(index) ?? 0n);
          heads.set(index, next);
          return [index, change];
        });
        const order = [...new Set(Array.from({ length: int(8) }, () => int(20)))];
        const entering = order.filter((id) => !list.includes(id)).map((id): [number, string] => {
          names.set(id, names.get(id) ?? `näme ${id} \u{1f426}`);
          return [id, names.get(id) ?? ""];
        });
        list = order;
        const key = (): number[] => (pairs ? [int(6), int(6)] : [int(12)]);
        const sort = (keys: number[][]): number[][] => keys.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0));
        const removed = sort([...cells.keys()].filter(() => random() < 0.2).map((text) => text.split(",").map(Number)));
        removed.forEach((at) => cells.delete(at.join()));
        const chosen = new Map(Array.from({ length: int(8) }, key).map((at) => [at.join(), at]));
        const changed = sort([...chosen.values()]).map((at) => {
          const before = cells.get(at.join()) ?? [];
          const values = Array.from({ length: width }, () => (random() < 0.5 ? undefined : BigInt(int(2 ** 40) - 2 ** 39)));
          const after = values.map((value, i) => BigInt.asUintN(64, (before[i] ?? 0n) + (value ?? 0n)));
          const last = Math.max(before.length - 1, values.findLastIndex((value) => value !== undefined));
          cells.set(at.join(), after.slice(0, last + 1));
          return { key: at, values };
        });
        const content = { head, lists: [{ index: 0, ids: order, entering }], removed, changed };
        expect(model.apply(openMessage(message({ type: snapshot ? 1 : 2, seq }, content)))).toBe("applied");
        expect(model.ids(0)).toEqual(list);
        expect(list.map((id) => model.name(0, id))).toEqual(list.map((id) => names.get(id)));
        heads.forEach((value, index) => expect(model.head[index]).toBe(value));
        for (let i = 0; i < (pairs ? 36 : 12); i += 1) {
          const at: [number, number?] = pairs ? [Math.floor(i / 6), i % 6] : [i];
          expect(model.cell(...at)).toEqual(cells.get(at.join())?.map(Number));
        }
      }
    }
  });
});

describe("control", () => {
  it("reads what the engine says and skips what it does not know", () => {
    expect(parseControl('{"hello":{"version":"0.1.0","protocol":1,"start":"5f","now":1.5,"kinds":[],"name":"n","more":1}}')).toEqual({
      type: "hello",
      hello: { version: "0.1.0", protocol: 1, start: "5f", now: 1.5, name: "n" },
    });
    expect(parseControl('{"view":3,"stream":17}')).toEqual({ type: "stream", view: 3, stream: 17 });
    expect(parseControl('{"view":3,"refused":"no","allowed":["total",4]}')).toEqual({ type: "refused", view: 3, reason: "no", allowed: ["total"] });
    expect(parseControl('{"error":"what"}')).toEqual({ type: "error", reason: "what" });
    expect(parseControl('{"news":1}')).toBeNull();
  });

  it.each(["", "[]", "null", "{", '{"hello":{}}', '{"hello":{"protocol":"1","start":"x"}}'])("refuses %s", (text) => {
    expect(() => parseControl(text)).toThrow(ProtocolError);
  });

  it("asks for views in the words of the page", () => {
    expect(JSON.parse(subscribeText({ view: 3, kind: "table", dimension: "site", first: 1, rows: 12 }))).toEqual({
      subscribe: { view: 3, kind: "table", dimension: "site", first: 1, rows: 12 },
    });
  });
});

describe("kinds", () => {
  it("reads a rank curve", () => {
    const model = new Model("rank");
    model.apply(openMessage(message({ seq: 1 }, { head: [[0, 40], [1, 1], [3, 100]], changed: [{ key: [1], values: [30, 30] }, { key: [40], values: [1, 100] }] })));
    expect(rankView(model)).toEqual({ keys: 40, keysExact: true, total: 100, points: [{ rank: 1, value: 30, cumulative: 30 }, { rank: 40, value: 1, cumulative: 100 }] });
  });

  it("reads a matrix, in rank order and without pairs that never occurred", () => {
    const model = new Model("matrix");
    const lists = [
      { index: 0, ids: [4, 1], entering: [[4, "s4"], [1, "s1"]] as [number, string][] },
      { index: 1, ids: [2], entering: [[2, "c2"]] as [number, string][] },
    ];
    model.apply(openMessage(message({ seq: 1 }, { lists, changed: [{ key: [4, 2], values: [9, 8, 1, 0] }] })));
    expect(matrixView(model)).toEqual({
      coveredMs: 0,
      total: 0,
      rows: [{ id: 4, name: "s4" }, { id: 1, name: "s1" }],
      columns: [{ id: 2, name: "c2" }],
      cells: [{ row: 4, column: 2, value: 9, hit: 8, miss: 1, error: 0 }],
    });
  });

  it("reads the status", () => {
    const model = new Model("status");
    const content = {
      head: [[0, 50], [3, 2], [6, 401], [9, 1], [10, 2], [13, 3]] as [number, number][],
      lists: [{ index: 0, ids: [0, 1], entering: [[0, "a@192.0.2.1"], [1, "b@192.0.2.2"]] as [number, string][] }],
      changed: [{ key: [0], values: [0, 301, 9, 1, 50] }, { key: [1], values: [3, 0, 5] }],
      texts: [[0, "0.0.0.0:8085"], [3, "set"], [4, '{"at":1.5,"peer":"192.0.2.9","cause":"secret"}'], [5, '{"secret":[2,0,0,0]}']] as [number, string][],
    };
    model.apply(openMessage(message({ seq: 1, asOf: 77 }, content)));
    expect(statusView(model)).toMatchObject({
      asOf: 77,
      received: 50,
      rejectedConnections: 2,
      lagMs: 400,
      nodesConnected: 1,
      nodesKnown: 2,
      defaultSecretExposed: true,
      orphaning: true,
      pageExposed: false,
      secret: "set",
      lastRefused: { at: 1.5, peer: "192.0.2.9", cause: "secret" },
      rejections: [{ cause: "secret", connections: 2, segments: 0, entries: 0, bytes: 0 }],
      nodes: [
        { name: "a@192.0.2.1", state: "live", lagMs: 300, lastArrival: 9, connections: 1, requests: 50 },
        { name: "b@192.0.2.2", state: "silent", lagMs: null, lastArrival: 5, connections: 0 },
      ],
    });
  });
});

/** The same numbers from 0 to 1 for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
