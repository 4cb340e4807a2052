// A report file in Chromium, opened from the disk: figures, charts, hostile names, and nothing that breaks its policy or leaves the file.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { capture, PROGRAM } from "./engine";
import { browse, closeBrowser } from "./visit";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "visulate-report-"));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await closeBrowser();
});

function report(...args: string[]): Buffer {
  return execFileSync(PROGRAM, ["report", ...args], { maxBuffer: 1 << 28 });
}

function file(name: string, html: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, html);
  return pathToFileURL(path).href;
}

test("a report file shows the figures that --json has, with the page's charts", async () => {
  const log = capture("ats-8.1-collation-squid");
  const data = JSON.parse(report("--json", log).toString("utf8"));
  const url = file("squid.html", report("--html", log));
  for (const [width, height] of [[1440, 900], [390, 844]] as const) {
    const there = await browse({ viewport: { width, height } });
    const { page } = there;
    await page.goto(url);
    await page.waitForSelector("body[data-drawn]");
    const found = await page.evaluate(() => ({
      figures: Object.fromEntries([...document.querySelectorAll<HTMLElement>("[data-figure]")].map((box) => [box.dataset["figure"], box.querySelector("dd")?.textContent?.replace(/\u202f/g, "")])),
      sites: [...document.querySelectorAll("[data-table=site] tbody tr:not(.others)")].map((row) => [row.querySelector("th")?.textContent, row.querySelectorAll("td")[1]?.textContent?.replace(/\u202f/g, "")]),
      sheets: [...document.querySelectorAll<HTMLElement>("[data-sheet]")].map((box) => box.dataset["sheet"]),
      bands: [...document.querySelectorAll("#over-time .marks path")].filter((path) => (path.getAttribute("d") ?? "").length > 20).length,
      columns: [...document.querySelectorAll("#distributions .column")].filter((bar) => Number(bar.getAttribute("height")) > 0).length,
      curve: document.querySelector("#miss-ratio .line")?.getAttribute("d")?.length ?? 0,
      urls: document.querySelectorAll("#urls tbody tr").length,
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      font: [...document.fonts].filter((font) => font.family.includes("Inter") && font.status === "loaded").length,
    }));
    expect(found.figures).toMatchObject({
      requests: String(data.summary.requests),
      hits: String(data.summary.hits),
      errors: String(data.summary.errors),
      clients: String(data.summary.uniques.client.count),
      "hit ratio": `${(100 * data.summary.hit_ratio).toFixed(1)}%`,
    });
    expect(found.sites).toEqual(data.top.site.rows.map((row: { key: string; requests: number }) => [row.key, String(row.requests)]));
    expect(found.sheets).toEqual(expect.arrayContaining(["C0", "C1", "C5", "C16", "C21"]));
    expect(found.bands).toBeGreaterThan(8);
    expect(found.columns).toBeGreaterThan(20);
    expect(found.curve).toBeGreaterThan(100);
    expect(found.urls).toBe(data.urls.length);
    expect(found.wide).toBeLessThanOrEqual(0);
    expect(found.font).toBeGreaterThan(0);
    if (process.env["VISULATE_SHOTS"] !== undefined) {
      await page.screenshot({ path: join(process.env["VISULATE_SHOTS"], `report-${width}.png`), fullPage: true });
    }
    await there.close();
    expect(there.problems).toEqual([]);
  }
});

test("hostile names are text, and what they would run is refused", async () => {
  const names = ["</script><script>window.ran=1</script>", "<img/src=x/onerror=window.ran=1>", "<!--", "\u202egnp.elpmaxe", "]]>&lt;b&gt;", "\"><svg/onload=window.ran=1>"];
  const lines = names.map((name, i) => `${1_795_514_400 + i}.000 5 192.0.2.${i + 1} TCP_MISS/200 100 GET http://h${i}.example/${name} ${name} DIRECT/${name} text/${name}\n`);
  const log = join(folder, "hostile.log");
  writeFileSync(log, lines.join(""));
  const html = report("--html", log);
  const text = html.toString("utf8");
  expect(text.match(/<script/g)).toHaveLength(2);
  const there = await browse({ viewport: { width: 1440, height: 900 } });
  const { page } = there;
  await page.goto(file("hostile.html", html));
  await page.waitForSelector("body[data-drawn]");
  const found = await page.evaluate(() => ({
    ran: "ran" in window,
    made: document.querySelectorAll("main img, main script, main b, main iframe").length,
    loaded: document.querySelectorAll("[onload], [onerror]").length,
    hidden: (document.querySelector("main")?.textContent?.match(/[\u202a-\u202e]/g) ?? []).length,
    urls: [...document.querySelectorAll("#urls tbody th")].map((cell) => cell.textContent),
  }));
  expect(found).toMatchObject({ ran: false, made: 0, loaded: 0, hidden: 0 });
  expect(found.urls).toEqual(expect.arrayContaining([expect.stringContaining("</script><script>window.ran=1</script>")]));
  expect(there.problems).toEqual([]);
  // The policy holds: nothing but the file's own script runs, and nothing is fetched.
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "http://192.0.2.1/x.png";
    document.body.append(image);
  });
  expect(await page.evaluate(() => "ran" in window)).toBe(false);
  await expect.poll(() => there.problems.filter((text) => /policy broken: (script-src|img-src)/.test(text)).length).toBeGreaterThanOrEqual(2);
  await there.close();
});
