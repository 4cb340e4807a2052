// The line of what changed: quiet before the demo's incident, its sentence while it lasts.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Engine } from "./engine";
import { layout } from "./layout";
import { engine, open } from "./stage";
import { until } from "./until";
import type { Visit } from "./visit";

const START = 1715690000;
const INCIDENT = START + 120;
const SHOTS = process.env["VISULATE_SHOTS"];

interface Changes {
  as_of: number;
  incidents: { since: number; until: number | null }[];
}

/** In steps, each of which is waited for. */
async function forward(host: Engine, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 5) {
    await host.advance(Math.min(5, left));
  }
}

const notices = ({ page }: Visit): Promise<string[]> => page.locator("#notices p").allInnerTexts();

test("the incident is told with its site and status, and marked in charts and table", { timeout: 300_000 }, async () => {
  const host = await engine({ command: "demo", args: ["--clock", "stdin", "--history", "6m", "--rate", "400", "--flush", "0", "--seed", "1", "--at", String(START)] });
  await forward(host, INCIDENT - START - 5);
  const there = await open(host, { query: "?w=10m&tz=utc" });
  await host.advance(5);
  const quiet = await until("quiet traffic is shown", async () => {
    const lines = await notices(there);
    return lines.length === 1 && !lines[0]?.includes("–") ? lines : null;
  });
  expect(quiet[0]).not.toMatch(/rose|fell|silent/);
  expect(await there.page.locator("#series .events line").count()).toBe(0);

  // Not later than 50 s after the first failure.
  await forward(host, 50);
  const lines = await until("the incident is told", async () => {
    const lines = await notices(there);
    return lines.some((line) => line.includes("heron.example")) ? lines : null;
  });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\d\d:\d\d\s*Errors rose from 0\.\d to \d\.\d\u202f% of requests; \d+\u202f% of the rise is 503 from heron\.example\./);
  const line = there.page.locator("#notices p");
  expect(await line.getAttribute("data-level")).toBe("bad");
  expect(await line.locator(".bad").first().innerText()).toMatch(/of requests$/);

  // The hairline stands in all six panels, at the bucket in which it began, and says what it is once.
  const [incident] = (await host.get<Changes>("changes")).incidents;
  expect(incident?.until).toBeNull();
  const since = incident?.since ?? 0;
  expect(since).toBeGreaterThanOrEqual(INCIDENT);
  expect(since).toBeLessThan(INCIDENT + 20);
  await host.advance(5);
  const places = await until("all panels have the line", async () => {
    const found = await there.page.locator("#series .events line").evaluateAll((all) => all.map((one) => [one.getAttribute("x1"), (one as SVGElement).ownerSVGElement?.getAttribute("viewBox")?.split(" ")[2] ?? ""]));
    return found.length === 6 ? found : null;
  });
  expect(new Set(places.map(([x]) => x)).size).toBe(1);
  // 300 buckets of 2 s end at now; the plot begins 44 px from the left.
  const { as_of: now } = await host.get<Changes>("changes");
  const [x = "", width = ""] = places[0] as [string, string];
  const bucket = Math.floor(since / 2) - (Math.floor(now / 2) - 299);
  expect(Math.abs(Number(x) - (44 + (bucket / 300) * (Number(width) - 44)))).toBeLessThan(5);
  expect(await there.page.locator("#series .events text").allTextContents()).toEqual([expect.stringMatching(/^\d\d:\d\d heron\.example 503$/)]);

  await forward(host, 60);
  const named = there.page.locator("#sites tr.named");
  await until("the site is marked", async () => (await named.count()) === 1);
  expect(await named.getAttribute("data-key")).toBe("heron.example");
  expect(await named.getAttribute("aria-label")).toContain("named by what changed");
  for (const [width, height] of [[1440, 900], [1920, 1080], [820, 1180], [390, 844], [320, 640]] as const) {
    for (const theme of ["light", "dark"] as const) {
      await there.page.emulateMedia({ colorScheme: theme });
      await there.page.setViewportSize({ width, height });
      await until(`no fault at ${width}, ${theme}`, async () => (await layout(there.page)).length === 0, { within: 5_000 }).catch(async () => {
        expect(await layout(there.page), `${width} ${theme}`).toEqual([]);
      });
      if (SHOTS !== undefined) {
        mkdirSync(SHOTS, { recursive: true });
        await there.page.screenshot({ path: join(SHOTS, `incident-${width}-${theme}.png`) });
      }
    }
  }
});
