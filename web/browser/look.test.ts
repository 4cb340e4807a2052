// How it looks: at every width, light and dark, full and empty; and for those who do not see it. VISULATE_SHOTS=DIR keeps pictures.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import { describe, expect, test } from "vitest";
import { layout } from "./layout";
import { demo, engine, open } from "./stage";
import { until } from "./until";
import { stateOf, type Visit } from "./visit";

const SIZES = [
  [1440, 900],
  [1920, 1080],
  [820, 1180],
  [390, 844],
  [320, 640],
] as const;
const THEMES = ["light", "dark"] as const;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env["VISULATE_SHOTS"];

async function shoot({ page }: Visit, name: string): Promise<void> {
  if (SHOTS !== undefined) {
    mkdirSync(SHOTS, { recursive: true });
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }
}

async function axe({ page }: Visit): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { run } = (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe;
    const { violations } = await run();
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  });
}

/** Both checks at every size; phones have a touch screen. */
async function looks(state: "live" | "guide", host: Awaited<ReturnType<typeof engine>>, colorScheme: (typeof THEMES)[number]): Promise<void> {
  for (const touch of [false, true]) {
    const there = await open(host, { query: "", colorScheme, ...(touch ? { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } } : {}) });
    await until(`the page is ${state}`, async () => (await stateOf(there)) === state);
    await there.page.evaluate(() => document.fonts.ready);
    for (const [width, height] of SIZES.filter(([width]) => width < 600 === touch)) {
      await there.page.setViewportSize({ width, height });
      if (state === "live") {
        await until("rows are there", async () => (await there.page.locator("#clients tbody tr").count()) >= (width >= 1800 ? 30 : 10));
      }
      let wrong: string[] = [];
      await until("the layout holds", async () => (wrong = await layout(there.page)).length === 0, { within: 3_000 }).catch(() => {});
      await shoot(there, `${state}-${width}-${colorScheme}`);
      expect.soft(wrong, `layout at ${width} x ${height}`).toEqual([]);
      expect.soft(await axe(there), `axe at ${width} x ${height}`).toEqual([]);
    }
  }
}

describe("layout, contrast and accessibility", () => {
  for (const theme of THEMES) {
    test(`of the data, ${theme}, at every size`, async () => looks("live", await demo(), theme));
    test(`of the guide, ${theme}, at every size`, async () => looks("guide", await engine(), theme));
  }

  test("the overview fits one screen, and both columns end together", async () => {
    const there = await open(await demo(), { query: "" });
    await until("the page is live", async () => (await stateOf(there)) === "live");
    await until("rows are there", async () => (await there.page.locator("#clients tbody tr").count()) === 10);
    const ends = await there.page.evaluate(() => ["#clients", "#series"].map((id) => document.querySelector(id)?.getBoundingClientRect().bottom ?? 0));
    expect(Math.max(...ends)).toBeLessThanOrEqual(900);
    expect(Math.abs((ends[0] ?? 0) - (ends[1] ?? 0))).toBeLessThanOrEqual(24);
  });

  test("the theme button switches, and the choice outlives a reload", async () => {
    const { page, ...there } = await open(await engine(), { colorScheme: "light" });
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    await until("the guide shows", async () => (await stateOf({ page, ...there })) === "guide");
    expect(await ground()).toBe("rgb(253, 253, 251)");
    await page.keyboard.press("d");
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
    await page.reload();
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
    expect(await ground()).toBe("rgb(17, 19, 22)");
  });
});

test("what these tests rely on: a bad layout and a barrier are seen", async () => {
  const there = await open(await engine());
  await until("the guide shows", async () => (await stateOf(there)) === "guide");
  expect(await layout(there.page)).toEqual([]);
  await there.page.evaluate(() => {
    const styles: Partial<CSSStyleDeclaration>[] = [
      { fontSize: "9px" },
      { color: "#999" },
      { position: "absolute", left: "1400px", whiteSpace: "nowrap" },
      { width: "40px", overflow: "hidden", whiteSpace: "nowrap" },
      { position: "absolute", left: "0", top: "600px" },
      { position: "absolute", left: "20px", top: "604px" },
    ];
    styles.forEach((style, i) => {
      const node = document.createElement("p");
      node.textContent = `bad text number ${i}`;
      Object.assign(node.style, style);
      document.querySelector("main")?.append(node);
    });
    document.querySelector("main")?.append(document.createElement("button"));
  });
  const wrong = (await layout(there.page)).join("\n");
  for (const words of ["number 0' is 9px", "number 1' has a contrast of", "number 2' leaves the window", "number 3' is clipped", "number 4' and 'bad text number 5' overlap"]) {
    expect(wrong).toContain(words);
  }
  expect((await axe(there)).join("\n")).toContain("button-name");
});

describe("a steady feed", () => {
  test("says nothing aloud, and makes no new elements", async () => {
    const host = await demo();
    const there = await open(host);
    await until("the page is live", async () => (await stateOf(there)) === "live");
    await host.advance(10);
    await there.page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      new MutationObserver(() => said.push(document.querySelector("#announce")?.textContent ?? "")).observe(document.querySelector("#announce") as Element, { childList: true, characterData: true, subtree: true });
      new MutationObserver(() => said.push(document.querySelector("#alarm")?.textContent ?? "")).observe(document.querySelector("#alarm") as Element, { childList: true, characterData: true, subtree: true });
    });
    const elements = (): Promise<number> => there.page.evaluate(() => document.querySelectorAll("*").length);
    const clock = (): Promise<string> => there.page.locator('[data-item="time"] .number').innerText();
    const before = await elements();
    for (let i = 0; i < 10; i += 1) {
      const then = await clock();
      await host.advance(1);
      await until("the page's clock went on", async () => (await clock()) !== then);
    }
    expect(await there.page.evaluate(() => (window as unknown as { said: string[] }).said)).toEqual([]);
    expect(Math.abs((await elements()) - before)).toBeLessThan(60);
    expect(await elements()).toBeLessThan(6_000);
  });

  test.runIf(SHOTS !== undefined)("has its picture taken", async () => {
    const host = await demo();
    const there = await open(host, { query: "", colorScheme: "light" });
    await until("the page is live", async () => (await stateOf(there)) === "live");
    const clock = (): Promise<string> => there.page.locator('[data-item="time"] .number').innerText();
    for (let i = 0; i < 180; i += 1) {
      const then = await clock();
      await host.advance(1);
      await until("the page's clock went on", async () => (await clock()) !== then);
    }
    let before = "";
    await until("all came to rest", async () => {
      const now = await there.page.evaluate(() => JSON.stringify([...document.querySelectorAll("tr, g.row, g.cell, rect, .columns text")].map((node) => node.getBoundingClientRect())));
      const rests = now === before && (await there.page.locator("tr.left").count()) === 0;
      before = now;
      return rests;
    });
    await shoot(there, "screenshot");
  }, 120_000);
});
