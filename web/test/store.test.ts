// What the page knows: views and their streams, gaps, restarts of the engine, rates.

import { beforeEach, describe, expect, it } from "vitest";
import { openMessage, statusView, Model, type Hello } from "../src/data/protocol";
import { Rates } from "../src/data/rates";
import { Store } from "../src/data/store";
import { type Body, message } from "./encode";

const HELLO: Hello = { version: "0.1.0", protocol: 1, start: "a", now: 1, name: "n" };
let sent: { subscribe?: { view: number; first?: number; window?: string }; drop?: { view: number } }[];
let store: Store;
const hear = (stream: number, seq: number, content: Body = {}, type = seq === 1 ? 1 : 2): void => store.onMessage(openMessage(message({ type, stream, seq }, content)));
const answer = (view: number, stream: number): void => store.onControl({ type: "stream", view, stream });
const keys = (view: number): number | undefined => store.view(view)?.model.number(0);

beforeEach(() => {
  sent = [];
  store = new Store((text) => sent.push(JSON.parse(text)), () => 0);
});

describe("views", () => {
  it("are asked for once the engine has greeted, and again after each greeting", () => {
    store.subscribe({ view: 1, kind: "status" });
    expect(sent).toEqual([]);
    store.onHello(HELLO);
    store.onHello(HELLO);
    expect(sent.map((text) => text.subscribe?.view)).toEqual([1, 1]);
  });

  it("are not asked for again when nothing is different", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table", dimension: "site", first: 1 });
    store.subscribe({ view: 2, kind: "table", dimension: "site", first: 1 });
    expect(sent.length).toBe(1);
  });

  it("show the old data until those asked for arrive, even when answers overtake", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table", first: 1 });
    answer(2, 10);
    hear(10, 1, { head: [[0, 5]] });
    store.subscribe({ view: 2, kind: "table", first: 13 });
    store.subscribe({ view: 2, kind: "table", first: 25 });
    expect(store.asking(2)).toBe(true);
    answer(2, 11);
    hear(11, 1, { head: [[0, 6]] });
    hear(10, 2, { head: [[0, 90]] });
    expect([keys(2), store.view(2)?.of.first]).toEqual([5, 1]);
    answer(2, 12);
    hear(12, 1, { head: [[0, 7]] });
    expect([keys(2), store.view(2)?.of.first, store.asking(2)]).toEqual([7, 25, false]);
  });

  it("may share a stream", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table" });
    store.subscribe({ view: 3, kind: "table" });
    answer(2, 10);
    hear(10, 1, { head: [[0, 5]] });
    answer(3, 10);
    hear(10, 1, { head: [[0, 6]] });
    hear(10, 2, { head: [[0, 1]] });
    expect([keys(2), keys(3)]).toEqual([7, 7]);
  });

  it("say why they were refused", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table", dimension: "moon" });
    store.onControl({ type: "refused", view: 2, reason: "dimension moon is not known", allowed: ["site", "client"] });
    expect([store.refused(2), store.asking(2), sent.length]).toEqual(["dimension moon is not known", false, 1]);
  });

  it("show data since start in place of a window that is not kept, and try again after each greeting", () => {
    const asked = { view: 2, kind: "table", window: "1h" } as const;
    store.onHello(HELLO);
    store.subscribe(asked);
    store.onControl({ type: "refused", view: 2, reason: "window 1h is not kept", allowed: ["1m", "total"] });
    store.subscribe(asked);
    expect(sent.map(({ subscribe }) => subscribe?.window)).toEqual(["1h", "total"]);
    answer(2, 10);
    hear(10, 1);
    expect([store.view(2)?.of.window, store.refused(2)]).toEqual(["total", null]);
    store.subscribe({ ...asked, window: "1m" });
    store.subscribe(asked);
    expect(sent.map(({ subscribe }) => subscribe?.window).slice(2)).toEqual(["1m", "total"]);
    store.onHello(HELLO);
    store.subscribe(asked);
    expect(sent.at(-1)?.subscribe?.window).toBe("1h");
  });

  it("are dropped and asked for anew when a delta is missing", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table" });
    answer(2, 10);
    hear(10, 1, { head: [[0, 5]] });
    hear(10, 3, { head: [[0, 1]] });
    expect(sent.slice(1)).toEqual([{ drop: { view: 2 } }, { subscribe: { view: 2, kind: "table" } }]);
    hear(10, 4);
    expect(keys(2)).toBe(5);
    answer(2, 11);
    hear(11, 1, { head: [[0, 9]] });
    expect(keys(2)).toBe(9);
  });

  it("skip what comes for a stream that no view has", () => {
    store.onHello(HELLO);
    store.subscribe({ view: 2, kind: "table" });
    answer(2, 10);
    store.drop(2);
    hear(10, 1);
    answer(2, 12);
    expect([store.view(2), sent.at(-1)]).toEqual([null, { drop: { view: 2 } }]);
  });

  it("keep their data over a lost connection, and lose them when the engine starts anew", () => {
    store.subscribe({ view: 1, kind: "status" });
    store.onHello(HELLO);
    answer(1, 10);
    hear(10, 1, { head: [[0, 5]] });
    expect(store.begun).toBe(true);
    store.onHello(HELLO);
    expect([store.status?.received, store.begun]).toEqual([5, true]);
    store.onHello({ ...HELLO, start: "b" });
    expect([store.status, store.begun, store.view(1)]).toEqual([null, false, null]);
  });

  it("know that the guide is over with the first node or record", () => {
    store.subscribe({ view: 1, kind: "status" });
    store.onHello(HELLO);
    answer(1, 10);
    hear(10, 1);
    expect(store.begun).toBe(false);
    hear(10, 2, { head: [[10, 1]] });
    hear(10, 3, { head: [[10, -1]] });
    expect(store.begun).toBe(true);
  });
});

describe("rates", () => {
  const status = (asOf: number, received: number, rejected = 0): ReturnType<typeof statusView> => {
    const model = new Model("status");
    model.apply(openMessage(message({ seq: 1, asOf }, { head: [[0, received], [2, received * 100], [3, rejected]] })));
    return statusView(model);
  };

  it("are the difference over the last ten seconds", () => {
    const rates = new Rates();
    rates.add(status(1_000_000, 500));
    expect(rates.records).toBeNull();
    rates.add(status(1_001_000, 700));
    expect([rates.records, rates.bytes]).toEqual([200, 20_000]);
    for (let s = 2; s <= 30; s += 1) {
      rates.add(status(1_000_000 + s * 1000, 700 + (s - 1) * 50));
    }
    expect(rates.records).toBe(50);
  });

  it("keep ten minutes in steps of ten seconds", () => {
    const rates = new Rates();
    let received = 0;
    for (let s = 0; s <= 900; s += 1) {
      received += s <= 450 ? 10 : 30;
      rates.add(status(s * 1000, received));
    }
    expect(rates.history.length).toBe(60);
    expect(new Set(rates.history)).toEqual(new Set([10, 30]));
    expect([rates.history[0], rates.history.at(-1)]).toEqual([10, 30]);
  });

  it("spread what a pause hides evenly over it", () => {
    const rates = new Rates();
    rates.add(status(0, 0));
    rates.add(status(40_000, 4_000));
    expect(rates.history).toEqual([100, 100, 100, 100]);
  });

  it("begin anew when counts go back", () => {
    const rates = new Rates();
    rates.add(status(0, 100));
    rates.add(status(1000, 200));
    rates.add(status(2000, 10));
    expect([rates.records, rates.history]).toEqual([null, []]);
  });

  it("remember for a minute that something was rejected", () => {
    const rates = new Rates();
    rates.add(status(0, 0, 5));
    expect(rates.rejectedLately(0)).toBe(false);
    rates.add(status(1000, 0, 6));
    expect([rates.rejectedLately(1000), rates.rejectedLately(60_999), rates.rejectedLately(61_000)]).toEqual([true, true, false]);
  });
});
