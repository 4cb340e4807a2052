// Numbers as the page writes them, its address, the order of rows, and names cut to fit.

import { describe, expect, it } from "vitest";
import * as format from "../src/data/format";
import { REORDER_EVERY, StableOrder } from "../src/data/order";
import { readSettings, writeSettings } from "../src/data/settings";
import { cut } from "../src/measure";

/** Narrow spaces are written as `_` here. */
const plain = (text: string): string => text.replaceAll("\u202f", "_");

describe("numbers", () => {
  it.each([
    [0, "0"], [7, "7"], [663, "663"], [999, "999"], [1000, "1.00_k"], [1004.9, "1.00_k"], [9_999, "10.0_k"], [88_400, "88.4_k"],
    [999_499, "999_k"], [999_500, "1.00_M"], [1_750_000, "1.75_M"], [1.21e9, "1.21_G"], [2 ** 63, "9.22_E"], [0.5, "0.50"], [42.34, "42.3"], [-1500, "−1.50_k"],
  ])("count %d is %s", (value, text) => expect(plain(format.count(value))).toBe(text));

  it.each([[0, "0_B"], [512, "512_B"], [612e6, "612_MB"], [49.3e9, "49.3_GB"], [9.9999e14, "1.00_PB"]])("bytes %d are %s", (value, text) =>
    expect(plain(format.bytes(value))).toBe(text));

  it.each([[0, "0"], [999, "999"], [10012, "10_012"], [1234567, "1_234_567"]])("exact %d is %s", (value, text) => expect(plain(format.exact(value))).toBe(text));

  it.each([[53, 1000, "5.3_%"], [0, 10, "0.0_%"], [1, 100_000, "<0.1_%"], [1, 1, "100.0_%"], [1, 0, "–"]])("share of %d in %d is %s", (part, whole, text) =>
    expect(plain(format.share(part, whole))).toBe(text));

  it.each([[12, 100, "12_%"], [1, 1000, "<1_%"], [0, 5, "0_%"]])("whole share of %d in %d is %s", (part, whole, text) =>
    expect(plain(format.wholeShare(part, whole))).toBe(text));

  it.each([[0.9, "0.90_ms"], [6.2, "6.2_ms"], [142, "142_ms"], [3000, "3.0_s"], [999.6, "1.0_s"]])("duration %d ms is %s", (ms, text) =>
    expect(plain(format.duration(ms))).toBe(text));

  it.each([[400, "0.4_s"], [42_000, "42_s"], [119_000, "119_s"], [780_000, "13_min"], [7_200_000, "2_h"], [-3000, "−3.0_s"]])("age %d ms is %s", (ms, text) =>
    expect(plain(format.seconds(ms))).toBe(text));

  it("writes memory in binary units", () => {
    expect(format.memory(1.9 * 2 ** 30, 4 * 2 ** 30).map(plain)).toEqual(["1.9", "of 4_GiB"]);
    expect(format.memory(100 * 2 ** 20, 256 * 2 ** 20).map(plain)).toEqual(["100", "of 256_MiB"]);
  });

  it("writes clock times of 24 hours", () => {
    expect([format.clock(Date.UTC(2026, 0, 1, 0, 5, 9), true), format.zone(0, true)]).toEqual(["00:05:09", "UTC"]);
  });

  it("says numbers in words", () => expect(format.spoken(74_000)).toBe("74.0 thousand"));
});

describe("names", () => {
  it("show control and bidirectional characters as what they are not", () => {
    expect(format.shown("a\u202eb\u0000c\u2066d\u{e0041}e")).toBe("a\ufffdb\ufffdc\ufffdd\ufffde");
    expect(format.shown("<img src=x> ä \u{1f426}")).toBe("<img src=x> ä \u{1f426}");
  });

  it("of nodes end before the last @", () => {
    expect([format.nodeName("fra-01@192.0.2.1"), format.nodeName("a@b@file"), format.nodeName("alone")]).toEqual(["fra-01", "a@b", "alone"]);
  });

  it("are cut in the middle to what fits; IPv4 never", () => {
    const fits = (most: number) => (text: string): boolean => text.length <= most;
    expect(cut("plover-video.example", fits(12))).toBe("plove…xample");
    expect(cut("short", fits(12))).toBe("short");
    expect(cut("192.0.2.10", fits(4))).toBe("192.0.2.10");
    expect(cut("2001:db8:0:1:2:3:4:5", fits(10)).length).toBe(10);
    expect(cut("\u{1f426}".repeat(9), (text) => Array.from(text).length <= 5)).toBe("\u{1f426}\u{1f426}…\u{1f426}\u{1f426}");
  });
});

describe("the address", () => {
  it("says what differs from the default, in order, and keeps the keys of others", () => {
    const settings = { window: "10m", measure: "bytes", utc: true, sitesFirst: 13, clientsFirst: 1 } as const;
    expect(writeSettings(settings, "?x=1&m=requests&x=2&w=24h")).toBe("?w=10m&m=bytes&r.sites=13&tz=utc&x=1&x=2");
    expect(readSettings(writeSettings(settings, ""))).toEqual(settings);
    expect(writeSettings(readSettings(""), "")).toBe("");
  });

  it("falls back to the default for bad values", () => {
    expect(readSettings("?w=2h&m=lies&tz=mars&r.sites=-4&r.clients=1e9")).toEqual(readSettings(""));
  });
});

describe("order of rows", () => {
  const rows = (...ids: number[]): { id: number; value: number }[] => ids.map((id) => ({ id, value: id * 10 }));
  const ids = (list: { id: number }[]): number[] => list.map((row) => row.id);

  it("follows the engine at most every two seconds", () => {
    const order = new StableOrder<{ id: number; value: number }>();
    expect(ids(order.place(rows(1, 2, 3), 0, false))).toEqual([1, 2, 3]);
    expect(ids(order.place(rows(2, 1, 3), 100, false))).toEqual([1, 2, 3]);
    expect(ids(order.place(rows(2, 1, 3), REORDER_EVERY, false))).toEqual([2, 1, 3]);
  });

  it("stands still while frozen, with new values, and keeps a row that left", () => {
    const order = new StableOrder<{ id: number; value: number }>();
    order.place(rows(1, 2), 0, false);
    const placed = order.place([{ id: 3, value: 5 }, { id: 1, value: 99 }], 60_000, true);
    expect(placed).toEqual([{ id: 1, value: 99, left: false }, { id: 2, value: 20, left: true }]);
    expect(ids(order.place(rows(3, 1), 60_001, false))).toEqual([3, 1]);
  });

  it("lets rows in where there is room", () => {
    const order = new StableOrder<{ id: number; value: number }>();
    order.place(rows(1), 0, false);
    expect(ids(order.place(rows(2, 1, 3), 10, true))).toEqual([1, 2, 3]);
  });

  it("begins anew after a reset", () => {
    const order = new StableOrder<{ id: number; value: number }>();
    order.place(rows(1, 2), 0, false);
    order.reset();
    expect(ids(order.place(rows(2, 1), 1, true))).toEqual([2, 1]);
  });
});

describe("time series' numbers", () => {
  it.each([[0, "0"], [1_500_000, "1.5_M"], [1_000_000, "1_M"], [500_000, "500_k"], [9_500, "9.5_k"], [20, "20"], [0.5, "0.5"]])("tick %d is %s", (value, text) => expect(plain(format.tick(value))).toBe(text));
  it.each([[0, "0"], [40e9, "40_GB"], [2_500, "2.5_kB"]])("tick of %d bytes is %s", (value, text) => expect(plain(format.tick(value, "B"))).toBe(text));
  it.each([[1, "1_ms"], [100, "100_ms"], [10_000, "10_s"]])("tick of %d ms is %s", (ms, text) => expect(plain(format.durationTick(ms))).toBe(text));
  it("set number and unit apart", () => expect([format.apart(format.count(1.7e6)), format.apart("12")]).toEqual([["1.70", "M"], ["12", ""]]));
  it("say bytes in words", () => expect([format.spokenBytes(49.3e9), format.spokenBytes(12)]).toEqual(["49.3 gigabytes", "12 bytes"]));
  it("write an axis' moments", () => {
    const at = Date.UTC(2024, 4, 14, 0, 5, 9);
    expect((["second", "minute", "weekday", "day"] as const).map((by) => format.axisTime(at, true, by))).toEqual(["00:05:09", "00:05", "Tue", "14 May"]);
  });
});
