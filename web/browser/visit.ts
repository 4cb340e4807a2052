// The page in Chromium. Whatever goes wrong in it (errors, broken policies, failed or foreign requests) is kept as a problem.

import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page, type WebSocket } from "playwright-core";
import type { Engine } from "./engine";

let browser: Promise<Browser> | null = null;

function launch(): Promise<Browser> {
  const known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const executablePath = process.env["VISULATE_CHROMIUM"] ?? known.find((path) => existsSync(path));
  if (executablePath === undefined) {
    throw new Error("there is no Chromium: install it, or set VISULATE_CHROMIUM");
  }
  // Chromium refuses its sandbox to root, as whom containers often run.
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, args: ["--disable-dev-shm-usage"] });
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = null;
}

export interface Visit {
  page: Page;
  /** What went wrong so far. */
  problems: string[];
  sockets: WebSocket[];
  close(): Promise<void>;
}

export interface VisitOptions extends BrowserContextOptions {
  /** Query of the page's address; by default all since start, which is what the API tells the tests. */
  query?: string;
  /** Console errors that the test itself causes. */
  expected?: RegExp;
  /** What `Math.random` gives on the page. */
  chance?: number;
}

export async function visit(engine: Engine, { query = "?w=total", ...options }: VisitOptions = {}): Promise<Visit> {
  const there = await browse(options, engine.http);
  await there.page.goto(`http://${engine.http}/${query}`);
  return there;
}

/** An empty page, from which only files and `host` may be asked. */
export async function browse({ expected, chance, ...options }: Omit<VisitOptions, "query"> = {}, host = ""): Promise<Visit> {
  browser ??= launch();
  const context = await (await browser).newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  const sockets: WebSocket[] = [];
  const problem = (text: string): void => {
    if (expected === undefined || !expected.test(text)) {
      problems.push(text);
    }
  };
  page.setDefaultTimeout(10_000);
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy broken: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)),
  );
  if (chance !== undefined) {
    await page.addInitScript((chance) => (Math.random = () => chance), chance);
  }
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      problem(`console: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => problem(`error: ${error.stack ?? error.message}`));
  page.on("crash", () => problem("the page crashed"));
  page.on("dialog", (dialog) => {
    problem(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("requestfailed", (request) => problem(`request failed: ${request.url()} ${request.failure()?.errorText ?? ""}`));
  page.on("response", (response) => {
    if (response.status() >= 400) {
      problem(`answer ${response.status()}: ${response.url()}`);
    }
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.host !== host) {
      problem(`foreign request: ${url.href}`);
    }
  });
  page.on("websocket", (socket) => sockets.push(socket));
  return { page, problems, sockets, close: () => context.close() };
}

export type PageState = "loading" | "guide" | "live";

export function stateOf({ page }: Visit): Promise<PageState | null> {
  return page.evaluate(() => document.documentElement.getAttribute("data-state") as PageState | null);
}

export function textOf({ page }: Visit, selector: string): Promise<string> {
  return page.locator(selector).first().textContent().then((text) => text ?? "");
}

export interface ShownRow {
  key: string | null;
  rank: number;
  value: number;
  hit: number;
  miss: number;
  error: number;
  bound: number;
}

export interface ShownTable {
  rows: ShownRow[];
  others: { count: number; value: number };
  /** The last rank that the curve knows. */
  last: number;
}

export interface Shown {
  sites: ShownTable;
  clients: ShownTable;
  matrix: { rows: (string | null)[]; columns: string[]; cells: Record<string, { value: number; hit: number }> };
  nodes: { count: string; ticks: Record<string, string> };
  rejected: number;
  totals: string;
}

/** The numbers that the page shows, as far as the document says them. */
export function read({ page }: Visit): Promise<Shown> {
  return page.evaluate(() => {
    const of = (node: Element | null, name: string): number => Number(node?.getAttribute(name) ?? NaN);
    const all = (selector: string, within: ParentNode = document): Element[] => [...within.querySelectorAll(selector)];
    const table = (id: string): ShownTable => ({
      rows: all(`#${id} tbody tr`).map((row) => ({
        key: row.getAttribute("data-key"),
        rank: of(row, "data-rank"),
        value: of(row.querySelector("td.value"), "data-value"),
        hit: of(row, "data-hit"),
        miss: of(row, "data-miss"),
        error: of(row, "data-error"),
        bound: of(row, "data-bound"),
      })),
      others: {
        count: of(document.querySelector(`#${id} tfoot tr`), "data-others"),
        value: of(document.querySelector(`#${id} tfoot td.value`), "data-value"),
      },
      last: of(document.querySelector(`#${id} .rank-curve`), "data-last"),
    });
    const rows = all("#matrix g.row");
    const cells: Shown["matrix"]["cells"] = {};
    for (const row of rows) {
      for (const cell of all("g.cell[data-value]", row)) {
        cells[`${row.getAttribute("data-key")} ${cell.getAttribute("data-column")}`] = { value: of(cell, "data-value"), hit: of(cell, "data-hit") };
      }
    }
    return {
      sites: table("sites"),
      clients: table("clients"),
      matrix: {
        rows: rows.map((row) => row.getAttribute("data-key")),
        columns: rows[0] === undefined ? [] : all("g.cell", rows[0]).map((cell) => cell.getAttribute("data-column") ?? ""),
        cells,
      },
      nodes: {
        count: document.querySelector('[data-item="nodes"] .count')?.textContent ?? "",
        ticks: Object.fromEntries(all(".ticks li").map((tick) => [tick.getAttribute("data-key"), tick.getAttribute("data-state") ?? ""])),
      },
      rejected: of(document.querySelector('[data-item="rejected"] .number'), "data-value"),
      totals: document.querySelector('#notices [data-notice="since"] span')?.textContent?.replace(/^.*?: /, "") ?? "",
    };
  });
}
