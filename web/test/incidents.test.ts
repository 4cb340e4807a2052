// What isn't as usual: texts of the engine become incidents, and incidents sentences.

import { describe, expect, test } from "vitest";
import { changesView, label, namedKeys, sentence, type Incident, type Signal } from "../src/data/incidents";
import type { Model, StatusView } from "../src/data/protocol";
import { notices, type NoticeData } from "../src/parts/notices";

const model = (texts: string[], head = [1715690200, texts.length]): Model => ({ number: (i: number) => head[i] ?? 0, text: (i: number) => texts[i] ?? "" }) as unknown as Model;

const HERON = [
  { dimension: "site", key: "heron.example", share: 0.981 },
  { dimension: "status", key: "503", share: 0.99 },
  { dimension: "site,status", key: ["heron.example", "503"], share: 0.978 },
];

const errors = { signal: "error_share", since: 1715690121, until: null, before: 0.0031, now: 0.058, explained_by: HERON };
const hits = { signal: "hit_ratio", since: 1715690180, until: null, before: 0.871, now: 0.829, explained_by: [] };

function incident(signals: unknown[], more: object = {}): Incident {
  const { incidents } = changesView(model([JSON.stringify({ since: 1715690121, until: null, text: "", signals, ...more })]));
  return incidents[0] as Incident;
}

const said = (one: Incident): string => sentence(one).map(({ text }) => text).join("");

describe("sentences", () => {
  test("say cause, effect and what explains it", () => {
    const one = incident([errors, hits]);
    expect(said(one)).toBe("Errors rose from 0.3 to 5.8\u202f% of requests; 98\u202f% of the rise is 503 from heron.example. Hit ratio fell from 87 to 83\u202f%.");
    expect(sentence(one).filter(({ weight }) => weight !== undefined)).toEqual([
      { text: "5.8\u202f% of requests", weight: "bad" },
      { text: "heron.example", weight: "strong" },
    ]);
    expect(label(one)).toBe("heron.example 503");
    expect(namedKeys({ judgedTo: 0, incidents: [one] })).toEqual(new Map([["site", new Set(["heron.example"])], ["status", new Set(["503"])]]));
  });

  test.each<[string, Partial<Record<keyof Signal | "explained_by", unknown>>, string]>([
    ["spread", { explained_by: [] }, "Errors rose from 0.3 to 5.8\u202f% of requests; spread over many sites."],
    ["one status", { explained_by: HERON.slice(1, 2) }, "Errors rose from 0.3 to 5.8\u202f% of requests; 99\u202f% of the rise is 503."],
    ["one node", { explained_by: [{ dimension: "node", key: "fra-03@192.0.2.1", share: 0.6 }] }, "Errors rose from 0.3 to 5.8\u202f% of requests; 60\u202f% of the rise is from node fra-03."],
    ["times", { signal: "p95_ms", before: 142, now: 3000, explained_by: [] }, "Response time of the slowest 5\u202f% rose from 142\u202fms to 3.0\u202fs; spread over many sites."],
    ["requests", { signal: "requests_per_second", before: 5000, now: 1200, explained_by: HERON.slice(0, 1) }, "Requests fell from 5.00\u202fk to 1.20\u202fk per second; 98\u202f% of the fall is from heron.example."],
    ["small steps", { signal: "hit_ratio", before: 0.871, now: 0.8699, explained_by: [] }, "Hit ratio fell from 87.1 to 87.0\u202f%; spread over many sites."],
  ])("of %s", (_, change, expected) => {
    expect(said(incident([{ ...errors, ...change }]))).toBe(expected);
  });

  test("tell only what stands, while something does", () => {
    const over = { ...errors, until: 1715690300 };
    expect(said(incident([hits, over]))).toMatch(/^Hit ratio fell/);
    expect(said(incident([hits, over]))).not.toContain("Errors");
    expect(said(incident([over], { until: 1715690300 }))).toMatch(/^Errors rose/);
    expect(namedKeys({ judgedTo: 0, incidents: [incident([over], { until: 1715690300 })] }).size).toBe(0);
  });

  test("name a node that is silent", () => {
    const one = incident([], { silent_node: "ams-05@192.0.2.9" });
    expect(said(one)).toBe("ams-05 is silent: its connection is gone.");
    expect(label(one)).toBe("ams-05 silent");
  });
});

test("texts that are no incidents are left out, and names are made safe to show", () => {
  const bad = ["", "{", "[]", "null", "{}", '{"since":1,"signals":{}}', '{"since":"1","signals":[]}', '{"since":1,"signals":[{"signal":"constructor","since":1,"before":0,"now":1}]}', '{"since":1,"signals":[1,null]}'];
  expect(changesView(model(bad)).incidents).toEqual([]);
  const one = incident([{ ...errors, explained_by: [{ dimension: "site", key: "<img onerror=x>\u202e\u0000", share: 1 }, null, { key: 1 }] }]);
  expect(said(one)).toContain("from <img onerror=x>\ufffd\ufffd.");
  expect(changesView(model(["{}", "{}"], [5, 1])).judgedTo).toBe(5000);
});

describe("the line of what changed", () => {
  const root = document.createElement("div");
  const draw = notices(root, () => undefined);
  const at = (more: Partial<NoticeData>): [level: string | null, text: string][] => {
    const status = { countingSince: 1715680000_000 } as unknown as StatusView;
    draw({ connection: { phase: "connected" } as NoticeData["connection"], status, changes: null, table: null, window: "1h", measure: "requests", lostAt: null, lostFor: 0, retryIn: 0, waiting: false, now: 1715690700_000, utc: true, ...more });
    return [...root.children].map((line) => [line.getAttribute("data-level"), [...line.children].map((child) => ((child as HTMLElement).hidden ? "" : child.textContent)).filter((text) => text !== "").join(" ")]);
  };
  const changes = (...incidents: Incident[]): NoticeData["changes"] => ({ judgedTo: 1715690690_000, incidents });

  test("is one quiet line while all is as usual", () => {
    expect(at({ changes: changes() })).toEqual([["quiet", "Nothing unusual in this hour."]]);
    // Without five minutes of history nothing is said of what is usual.
    expect(at({ changes: changes(), now: 1715680200_000 })[0]?.[1]).toMatch(/^Counting since/);
    expect(at({})[0]?.[1]).toMatch(/^Counting since/);
  });

  test("tells what lasts, three lines at most, and once more what is over", () => {
    const node = (name: string): Incident => incident([], { silent_node: name });
    expect(at({ changes: changes(incident([errors, hits])) })).toEqual([["bad", "12:35 Errors rose from 0.3 to 5.8\u202f% of requests; 98\u202f% of the rise is 503 from heron.example. Hit ratio fell from 87 to 83\u202f%."]]);
    const lines = at({ changes: changes(incident([errors]), node("a@1"), node("b@1"), node("c@1")) });
    expect(lines.map(([, text]) => text.slice(0, 20))).toEqual(["12:35 Errors rose fr", "12:35 a is silent: i", "12:35 b is silent: i"]);
    const over = { ...errors, until: 1715690400 };
    expect(at({ changes: changes(incident([over], { until: 1715690400 })) })).toEqual([["quiet", "Nothing unusual now. 12:35 to 12:40: Errors rose from 0.3 to 5.8\u202f% of requests; 98\u202f% of the rise is 503 from heron.example."]]);
  });
});
