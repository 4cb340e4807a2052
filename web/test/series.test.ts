// The cluster's time series: from messages to rings, from rings to frames.

import { describe, expect, it } from "vitest";
import { type Column, filler, type Frame, timeOf } from "../src/data/frame";
import { type Hello, Model, openMessage } from "../src/data/protocol";
import { AT, Ring, Series } from "../src/data/series";
import { Store, VIEW } from "../src/data/store";
import { type Body, message, series, type SeriesBody } from "./encode";

const SIXTEEN = Array.from({ length: 16 }, (_, i) => 100 + i);

/** A model and the ring that follows it. */
function following(slots = 512): { model: Model; ring: Ring; hear(seq: number, body: Body): void } {
  const model = new Model("series");
  const ring = new Ring(slots);
  return {
    model,
    ring,
    hear(seq, body) {
      const opened = openMessage(message({ type: seq === 1 ? 1 : 2, seq }, body));
      expect(model.apply(opened)).toBe("applied");
      ring.take(model, opened.snapshot);
    },
  };
}

function frameOf(body: SeriesBody): Frame {
  const { ring, hear } = following();
  hear(1, series(body));
  return filler()(ring);
}

const column = (frame: Frame, name: Column): (number | null)[] => [...frame.columns[name]].map((value) => (Number.isNaN(value) ? null : value));

describe("a ring", () => {
  it("holds all sixteen values of a cell", () => {
    const { ring, hear } = following();
    hear(1, series({ step: 10, first: 5, newest: 8, incomplete: 8, coveredMs: 1234, began: 6, cells: { 6: SIXTEEN } }));
    expect(Object.values(AT).map((place) => ring.value(6, place))).toEqual(SIXTEEN);
    expect([ring.step, ring.first, ring.newest, ring.incomplete, ring.coveredMs, ring.began]).toEqual([10, 5, 8, 8, 1234, 6]);
    expect([5, 6, 7].map((bucket) => ring.has(bucket))).toEqual([false, true, false]);
  });

  it("follows deltas: a cell that grows, one that enters, one that goes, and a window that moves on", () => {
    const { ring, hear } = following();
    hear(1, series({ step: 1, first: 10, newest: 12, incomplete: 12, cells: { 10: [5, 1], 11: [6], 12: [7] } }));
    hear(2, { head: [[1, 1], [2, 1], [3, 1]], removed: [[10]], changed: [{ key: [12], values: [3, undefined, 9] }, { key: [13], values: [1] }] });
    expect([ring.first, ring.newest, ring.incomplete]).toEqual([11, 13, 13]);
    expect([10, 11, 12, 13].map((bucket) => ring.has(bucket))).toEqual([false, true, true, true]);
    expect([ring.value(12, AT.hit), ring.value(12, AT.refresh), ring.value(12, AT.miss), ring.value(13, AT.hit)]).toEqual([10, 0, 9, 1]);
  });

  it("is another version only when what is drawn changed", () => {
    const { ring, hear } = following();
    const versions: number[] = [];
    hear(1, series({ step: 10, first: 1, newest: 5, incomplete: 4, cells: { 3: [1], 5: [1] } }));
    [{}, { head: [[4, 1000]] }, { changed: [{ key: [5], values: [1] }] }, { changed: [{ key: [3], values: [1] }] }, { head: [[3, 1]] }].forEach((body, i) => {
      const before = ring.version;
      hear(2 + i, body as Body);
      versions.push(ring.version - before);
    });
    expect(versions).toEqual([0, 0, 0, 1, 1]);
  });

  it("skips numbers of the head that it does not know", () => {
    const { ring, hear } = following();
    const body = series({ step: 2, first: 1, newest: 3, incomplete: 3, cells: { 1: [4] } });
    hear(1, { ...body, head: [...(body.head ?? []), [6, 77], [40, 5]] });
    expect([ring.step, ring.has(1), ring.value(1, AT.hit)]).toEqual([2, true, 4]);
  });

  it("forgets everything with a snapshot", () => {
    const { ring, hear, model } = following();
    hear(1, series({ step: 1, first: 1, newest: 3, incomplete: 3, cells: { 1: [4], 2: [4] } }));
    const again = openMessage(message({ type: 1, seq: 9 }, series({ step: 1, first: 2, newest: 4, incomplete: 4, cells: { 3: [8] } })));
    model.apply(again);
    ring.take(model, true);
    expect([1, 2, 3].map((bucket) => ring.has(bucket))).toEqual([false, false, true]);
  });

  it("takes buckets of twice the step in a delta, as since start does when there are too many", () => {
    const { ring, hear } = following();
    hear(1, series({ step: 4, first: 100, newest: 103, incomplete: 103, cells: { 100: [1], 101: [2], 102: [3], 103: [4] } }));
    hear(2, { head: [[0, 4], [1, -50], [2, -52], [3, -52]], removed: [[100], [101], [102], [103]], changed: [{ key: [50], values: [3] }, { key: [51], values: [7] }] });
    expect([ring.step, ring.first, ring.newest, ring.has(50), ring.has(51), ring.has(100)]).toEqual([8, 50, 51, true, true, false]);
  });

  it("keeps the newest buckets when a window is longer than it", () => {
    const { ring, hear } = following(8);
    hear(1, series({ step: 1, first: 1, newest: 20, incomplete: 20, cells: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 1, [i + 1]])) }));
    expect(ring.first).toBe(13);
    expect([12, 13, 20].map((bucket) => ring.has(bucket))).toEqual([false, true, true]);
    expect(ring.value(20, AT.hit)).toBe(20);
  });

  it("is the same as the model after many random deltas", () => {
    const { model, ring, hear } = following(64);
    let [seed, newest] = [7, 1_000];
    const random = (most: number): number => ((seed = (seed * 48_271) % 2_147_483_647), seed % most);
    hear(1, series({ step: 1, first: newest - 40, newest, incomplete: newest, cells: {} }));
    for (let seq = 2; seq < 300; seq += 1) {
      const move = random(3);
      const gone = model.keys().filter((key) => key < newest + move - 40);
      newest += move;
      const keys = [...new Set([newest, newest - random(30), newest - random(30)])].sort((a, b) => a - b);
      hear(seq, { head: [[1, move], [2, move], [3, move]], removed: gone.map((key) => [key]), changed: keys.map((key) => ({ key: [key], values: [random(50), undefined, random(9)] })) });
      for (let bucket = newest - 40; bucket <= newest; bucket += 1) {
        const cell = model.cell(bucket);
        expect(ring.has(bucket)).toBe(cell !== undefined);
        expect(cell === undefined ? [] : [ring.value(bucket, 0), ring.value(bucket, 2)]).toEqual(cell === undefined ? [] : [cell[0], cell[2]]);
      }
    }
  });
});

describe("windows", () => {
  it("have a ring each, and the newest data's counts", () => {
    const rings = new Series();
    expect(rings.ring).toBeNull();
    const take = (window: "1m" | "1h", body: SeriesBody): Model => {
      const model = new Model("series");
      model.apply(openMessage(message({ seq: 1 }, series(body))));
      rings.take(window, model, true);
      return model;
    };
    const hour = take("1h", { step: 10, first: 1, newest: 9, incomplete: 9, cells: { 2: [1] } });
    const ring = rings.ring;
    take("1m", { step: 1, first: 100, newest: 160, incomplete: 150, cells: { 120: [1] } });
    expect([rings.window, rings.ring?.step, rings.ring?.has(2)]).toEqual(["1m", 1, false]);
    rings.take("1h", hour, false);
    expect([rings.ring === ring, rings.ring?.has(2), rings.ring?.has(120)]).toEqual([true, true, false]);
    rings.reset();
    expect(rings.ring).toBeNull();
  });

  it("change in the store with the first data of the new one", () => {
    const sent: { subscribe?: { window?: string } }[] = [];
    const store = new Store((text) => sent.push(JSON.parse(text)), () => 0);
    const hello: Hello = { version: "", protocol: 1, start: "a", now: 1, name: "" };
    const hear = (stream: number, body: Body): void => store.onMessage(openMessage(message({ type: 1, stream, seq: 1 }, body)));
    store.onHello(hello);
    store.subscribe({ view: VIEW.series, kind: "series", window: "1h" });
    store.onControl({ type: "stream", view: VIEW.series, stream: 5 });
    hear(5, series({ step: 10, first: 1, newest: 9, incomplete: 9, cells: { 2: [1] } }));
    store.subscribe({ view: VIEW.series, kind: "series", window: "10m" });
    expect([store.series.window, store.series.ring?.step]).toEqual(["1h", 10]);
    store.onControl({ type: "stream", view: VIEW.series, stream: 6 });
    hear(6, series({ step: 2, first: 1, newest: 9, incomplete: 9, cells: { 2: [1] } }));
    expect([store.series.window, store.series.ring?.step]).toEqual(["10m", 2]);
    expect(sent.map(({ subscribe }) => subscribe?.window)).toEqual(["1h", "10m"]);
    store.onHello({ ...hello, start: "b" });
    expect(store.series.ring).toBeNull();
  });
});

describe("a frame", () => {
  it("has rates per second, ratios of what has a result code, and times without their 1", () => {
    //             hit refresh miss error unknown bytes hitB unkB origin p50 p95 p99 4xx 5xx clients peak
    const values = [500, 100, 300, 100, 50, 10_000, 6_000, 2_000, 4_000, 1, 80, 0, 20, 30, 42, 90];
    const frame = frameOf({ step: 10, first: 7, newest: 8, incomplete: 8, cells: { 7: values } });
    const at = (name: Column): number | null => column(frame, name)[0] ?? null;
    expect([at("hit"), at("refresh"), at("miss"), at("error"), at("unknown"), at("requests")]).toEqual([50, 10, 30, 10, 5, 105]);
    expect([at("bytes"), at("origin"), at("hitRatio"), at("byteRatio")]).toEqual([1000, 400, 60, 75]);
    expect([at("p50"), at("p95"), at("p99"), at("status4xx"), at("status5xx"), at("failed"), at("clients")]).toEqual([0, 79, null, 2, 3, 5, 42]);
    expect(timeOf(frame, 0)).toBe(70_000);
  });

  it("draws complete buckets only, breaks at gaps, and keeps real zeros", () => {
    const frame = frameOf({ step: 1, first: 20, newest: 29, incomplete: 27, cells: { 20: [3], 21: [0], 24: [5], 26: [1], 28: [9] } });
    expect([frame.length, frame.drawn, frame.unrecorded]).toEqual([9, 7, null]);
    expect(column(frame, "hit")).toEqual([3, 0, null, null, 5, null, 1]);
    expect(column(frame, "hitRatio")).toEqual([100, null, null, null, 100, null, 100]);
    expect(frame.gaps).toEqual([{ from: 2, to: 4 }, { from: 5, to: 6 }]);
  });

  it("knows what is from before counting began, and takes it for no gap", () => {
    const frame = frameOf({ step: 10, first: 100, newest: 110, incomplete: 110, began: 106, cells: { 103: [7], 106: [1], 107: [1], 109: [1] } });
    expect([frame.unrecorded, frame.gaps]).toEqual([{ from: 0, to: 6 }, [{ from: 8, to: 9 }]]);
    expect(column(frame, "hit").slice(0, 7)).toEqual([null, null, null, null, null, null, 0.1]);
  });

  it("is empty before the first message, and before the first complete bucket", () => {
    const empty = filler()(new Ring(8));
    expect([empty.length, empty.drawn]).toEqual([0, 0]);
    const young = frameOf({ step: 10, first: 100, newest: 460, incomplete: 460, began: 460, cells: { 460: [1] } });
    expect([young.drawn, young.unrecorded, young.gaps]).toEqual([360, { from: 0, to: 360 }, []]);
  });
});
