// Pictures of the page with invented data, to hold beside those of the design: `VISULATE_SHOTS=DIR npm run look`.
// Also checks the layout at every size. Needs Chromium, and no engine.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AxeResults } from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createServer, type ViteDevServer } from "vite";
import { layout } from "../../browser/layout";
import { pretend, type Scene } from "./engine";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env["VISULATE_SHOTS"];
const AT = Date.UTC(2024, 4, 14, 12, 46, 20) / 1000;
const SIZES = [[1440, 900], [1920, 1080], [1101, 800], [820, 1180], [390, 844], [320, 640]] as const;
let server: ViteDevServer;
let browser: Browser;

function launch(args: string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: process.env["VISULATE_CHROMIUM"] ?? "/usr/bin/chromium", chromiumSandbox: process.getuid?.() !== 0, args: ["--disable-dev-shm-usage", ...args] });
}

beforeAll(async () => {
  server = await createServer({ root: fileURLToPath(new URL("../..", import.meta.url)), server: { port: 0, host: "127.0.0.1" }, logLevel: "error" });
  await server.listen();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function open(scene: Partial<Scene>, colorScheme: "light" | "dark", query = "", options: BrowserContextOptions = {}, by = browser): Promise<{ page: Page; step(): void; problems: string[] }> {
  const context = await by.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin", colorScheme, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("console", (text) => text.type() === "error" && problems.push(text.text()));
  const { step } = await pretend(page, { now: AT, began: AT - 86_400, ...scene });
  await page.goto(`${server.resolvedUrls?.local[0] ?? ""}${query}`);
  await page.locator("html[data-state=live]").waitFor();
  await page.evaluate(() => document.fonts.ready);
  return { page, step, problems };
}

async function shoot(page: Page, name: string): Promise<void> {
  if (SHOTS !== undefined) {
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }
}

async function axe(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run();
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  });
}

const frame = (page: Page): Promise<unknown> => page.evaluate(() => new Promise(requestAnimationFrame));

async function settled(page: Page): Promise<string[]> {
  let wrong: string[] = [];
  for (let i = 0; i < 12; i += 1) {
    await frame(page);
    wrong = await layout(page);
    if (wrong.length === 0) {
      break;
    }
  }
  return wrong;
}

const SCENES: Record<string, [scene: Partial<Scene>, query: string]> = {
  quiet: [{}, ""],
  incident: [{ incident: AT - 860 }, ""],
  partial: [{ unknown: 0.04, began: AT - 1587, gap: [AT - 600, AT - 520] }, ""],
  idle: [{ quiet: true }, ""],
  refused: [{ kept: ["total"] }, ""],
  other: [{ keptSeries: ["1m", "10m", "1h"] }, "?w=24h"],
  minute: [{}, "?w=1m"],
  day: [{ began: AT - 70_000 }, "?w=24h&m=bytes"],
  total: [{ began: AT - 9 * 86_400 }, "?w=total"],
};

describe.each(["light", "dark"] as const)("%s", (theme) => {
  test.each(Object.keys(SCENES))("%s", async (name) => {
    const [scene, query] = SCENES[name] ?? [{}, ""];
    const { page, step, problems } = await open(scene, theme, query);
    for (let i = 0; i < 3; i += 1) {
      step();
    }
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      expect.soft(await settled(page), `layout at ${width} x ${height}`).toEqual([]);
      await shoot(page, `${name}-${width}-${theme}`);
      if (SHOTS !== undefined && name === "incident") {
        await page.screenshot({ path: join(SHOTS, `full-${width}-${theme}.png`), fullPage: true });
      }
      if (width === 1440 || width === 390) {
        expect.soft(await axe(page), `axe at ${width}`).toEqual([]);
      }
      const edges = await page.evaluate(() => [...document.querySelectorAll(".plot svg")].map((svg) => [svg.getBoundingClientRect().left, svg.getBoundingClientRect().right].join()));
      expect.soft(new Set(edges).size, "the plots share their edges").toBe(1);
    }
    expect(problems).toEqual([]);
  }, 60_000);
});

test("the overview fits 900 pixels, and both columns end together", async () => {
  const { page } = await open({}, "light");
  await settled(page);
  const ends = await page.evaluate(() => ["#series", "#clients"].map((id) => document.querySelector(id)?.getBoundingClientRect().bottom ?? 0));
  expect(Math.max(...ends)).toBeLessThanOrEqual(900);
  expect(Math.abs((ends[0] ?? 0) - (ends[1] ?? 0))).toBeLessThanOrEqual(24);
});

test("the crosshair goes through all panels, by pointer and by key; a panel opens as a table", async () => {
  const { page, step, problems } = await open({ incident: AT - 860 }, "light");
  await settled(page);
  const plot = await page.locator(".plot svg").nth(2).boundingBox();
  await page.mouse.move((plot?.x ?? 0) + 0.9 * (plot?.width ?? 0), (plot?.y ?? 0) + 20);
  await frame(page);
  await shoot(page, "crosshair-1440-light");
  const axis = page.locator(".axis .moment text");
  expect(await axis.count()).toBe(1);
  expect(await page.locator(".plot .cross:not([display])").count()).toBe(6);
  expect(await settled(page)).toEqual([]);
  await page.mouse.move(5, 5);
  await frame(page);
  expect(await axis.count()).toBe(0);
  await page.locator(".plot svg").first().focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  await frame(page);
  expect(await axis.textContent()).toBe("13:48:00");
  step();
  await page.keyboard.press("ArrowDown");
  expect(await page.evaluate(() => document.activeElement?.closest(".panel")?.getAttribute("data-panel"))).toBe("bytes");
  await page.keyboard.press("t");
  await shoot(page, "table-1440-light");
  expect(await axe(page)).toEqual([]);
  expect(await page.locator("#points tbody tr").count()).toBeGreaterThan(350);
  await page.keyboard.press("Escape");
  expect(await page.locator("#points tbody tr").count()).toBe(0);
  await page.keyboard.press("2");
  await frame(page);
  expect(new URL(page.url()).search).toBe("?w=10m");
  expect(problems).toEqual([]);
});

test("a tap sets the crosshair, a tap elsewhere takes it away", async () => {
  const { page } = await open({}, "light", "", { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } });
  await settled(page);
  await page.locator(".plot svg").first().tap({ position: { x: 200, y: 60 } });
  await frame(page);
  await shoot(page, "tapped-390-light");
  expect(await page.locator(".plot .cross:not([display])").count()).toBe(6);
  expect(await layout(page)).toEqual([]);
  await page.locator("h1").tap();
  await frame(page);
  expect(await page.locator(".plot .cross:not([display])").count()).toBe(0);
});

test("text twice as large still fits", async () => {
  const large = await launch(["--blink-settings=defaultFontSize=32"]);
  const { page } = await open({ unknown: 0.03, began: AT - 2000 }, "light", "", {}, large);
  for (const width of [2400, 1440, 820]) {
    await page.setViewportSize({ width, height: 1180 });
    expect.soft(await settled(page), `layout at ${width}`).toEqual([]);
    await shoot(page, `large-${width}-light`);
  }
  await large.close();
});
