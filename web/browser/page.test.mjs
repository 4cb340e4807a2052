// The page in real Chromium, against the real engine. Waits on conditions, never on time.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { SECRET, expected, frame, node, replay, segment, start } from "./engine.mjs";

const SHOTS = process.env.VISULATE_SHOTS;
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

let browser;
const engines = [];
const pages = [];

before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

afterEach(async () => {
  for (const { page, wrong } of pages.splice(0)) {
    assert.deepEqual(wrong, [], "console errors, failed requests or violations");
    await page.context().close();
  }
  for (const engine of engines.splice(0)) await engine.kill("SIGKILL");
});

after(() => browser.close());

async function engine(command = "serve", ...options) {
  const started = await start(command, ...options);
  engines.push(started);
  return started;
}

/** Opens the page; `mayFail`: what a lost connection says is no error. */
async function open(at, { width = 1440, height = 900, theme = "light", mayFail = false, reducedMotion = "no-preference" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => {
    const refused = mayFail && /WebSocket connection to .* failed/.test(message.text());
    if (message.type() === "error" && !refused) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("requestfailed", (request) => mayFail || wrong.push(`${request.url()} failed`));
  page.on("request", (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol !== "data:" && host !== at.http) wrong.push(`a request to ${request.url()}`);
  });
  page.sockets = [];
  page.on("websocket", (socket) => {
    page.sockets.push(socket);
    socket.on("close", () => page.sockets.splice(page.sockets.indexOf(socket), 1));
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`violation of ${event.violatedDirective}: ${event.blockedURI}`));
  });
  await page.goto(`http://${at.http}/`);
  pages.push({ page, wrong });
  return page;
}

const live = (page) => page.waitForSelector("html[data-state=live]");

/** Waits until the others' and rows' values of a table add up to `total`. */
async function settled(page, table, total) {
  await page.waitForFunction(
    ([table, total]) => [...document.querySelectorAll(`${table} td.value`)].reduce((sum, cell) => sum + Number(cell.dataset.value ?? 0), 0) === total,
    [table, total],
  );
}

const rowsOf = (page, table) =>
  page.$$eval(`${table} tbody tr`, (rows) =>
    rows
      .map((row) => ({ key: row.dataset.key, rank: Number(row.dataset.rank), value: Number(row.querySelector("td.value").dataset.value) }))
      .sort((a, b) => a.rank - b.rank),
  );

const CAPTURE = "ats-8.1-collation-squid";

test("the numbers of the page are those of the API", async () => {
  const at = await engine();
  const page = await open(at);
  await replay(at, CAPTURE);
  await live(page);
  const { entries, bytes_total: bytes } = expected(CAPTURE).totals;
  for (const [measure, total] of [["requests", entries], ["bytes", bytes]]) {
    await page.locator(`#measures input[value=${measure}]`).check({ force: true });
    for (const [table, dimension] of [["#sites", "site"], ["#clients", "client"]]) {
      await settled(page, table, total);
      const rows = await rowsOf(page, table);
      const top = await at.json(`top?dimension=${dimension}&measure=${measure}&limit=${rows.length}`);
      assert.equal(top.total[measure], total);
      assert.deepEqual(rows.map(({ key, value }) => [key, value]), top.rows.map((row) => [row.key, row[measure]]));
      const others = await page.$eval(`${table} tfoot tr.others td.value`, (cell) => Number(cell.dataset.value));
      assert.equal(others, top.other[measure]);
    }
    const matrix = await at.json(`matrix?rows=site&columns=client&measure=${measure}&n=20`);
    const sum = matrix.cells.reduce((sum, cell) => sum + cell[measure], 0);
    await page.waitForFunction(
      (sum) => [...document.querySelectorAll("#matrix g.cell[data-value]")].reduce((all, cell) => all + Number(cell.dataset.value), 0) === sum,
      sum,
    );
  }
  assert.match(await page.textContent("header#status [data-item=nodes]"), /1/);
});

test("rows re-rank and keep their elements", async () => {
  const at = await engine();
  const page = await open(at, { reducedMotion: "reduce" });
  const entry = (site, count) => Array.from({ length: count }, () => ({ crc: "1", status: 200, bytes: 10, method: "GET", url: `http://${site}/`, type: "text/html", client: [192, 0, 2, 1] }));
  const socket = await node(at, SECRET, frame(segment([...entry("one.example", 5), ...entry("two.example", 3), ...entry("three.example", 1)])));
  await live(page);
  await settled(page, "#sites", 9);
  await page.$$eval("#sites tbody tr", (rows) => rows.forEach((row) => (row.mark = row.dataset.key)));
  assert.deepEqual((await rowsOf(page, "#sites")).map((row) => row.key), ["one.example", "two.example", "three.example"]);
  await new Promise((done) => socket.write(frame(segment(entry("three.example", 10))), done));
  await page.waitForFunction(() => document.querySelector("#sites tbody tr[data-rank='1']")?.dataset.key === "three.example");
  assert.deepEqual((await rowsOf(page, "#sites")).map((row) => [row.key, row.value]), [["three.example", 11], ["one.example", 5], ["two.example", 3]]);
  const marks = await page.$$eval("#sites tbody tr", (rows) => rows.map((row) => row.mark === row.dataset.key));
  assert.deepEqual(marks, [true, true, true], "the same elements");
  socket.destroy();
});

test("the rank window moves the table to any rank", async () => {
  const at = await engine("demo", "--clock", "stdin", "--history", "1m", "--seed", "1", "--at", "1715690000");
  const page = await open(at);
  await at.step(1);
  await live(page);
  const slider = page.locator("#clients .rank-curve, .rank-curve").last();
  await slider.focus();
  for (let press = 0; press < 3; press++) await page.keyboard.press("PageDown");
  await page.waitForFunction(() => Number([...document.querySelectorAll("#clients tbody tr")].map((row) => row.dataset.rank).sort((a, b) => a - b)[0]) > 10);
  const first = Math.min(...(await rowsOf(page, "#clients")).map((row) => row.rank));
  await at.step(1);
  const size = (await rowsOf(page, "#clients")).length;
  const top = await at.json(`top?dimension=client&limit=${size}&offset=${first - 1}`);
  // Rows reorder at most every two seconds, so the same rows with the same values, whatever their places.
  const rows = top.rows.map((row) => `${row.key} ${row.requests}`).sort();
  await page.waitForFunction(
    (rows) => JSON.stringify([...document.querySelectorAll("#clients tbody tr")].map((row) => `${row.dataset.key} ${row.querySelector("td.value").dataset.value}`).sort()) === rows,
    JSON.stringify(rows),
  );
});

test("a killed engine is noticed, and its successor found", async () => {
  const first = await engine();
  const page = await open(first, { mayFail: true });
  await replay(first, CAPTURE);
  await live(page);
  await settled(page, "#sites", 10000);
  await first.kill("SIGKILL");
  await page.waitForSelector("#data[data-lost]", { timeout: 2000 });
  assert.match(await page.textContent("[data-item=connection]"), /Reconnecting|Connecting/);
  await engine("serve", "--http", first.http, "--collation", first.collation);
  // The first waits are drawn from 0 to 5, 10 and 20 s.
  await page.waitForSelector("html[data-state=guide]", { timeout: 40_000 });
  await replay(first, "ats-8.1-collation-reconnect.conn0");
  await live(page);
  await settled(page, "#sites", 457);
  assert.equal(await page.$("#data[data-lost]"), null);
  const keys = await page.$$eval("#sites tbody tr", (rows) => rows.map((row) => row.dataset.key));
  assert.equal(new Set(keys).size, keys.length, "no row twice");
  assert.equal(page.sockets.length, 1, "one socket");
});

test("names from logs are text and nothing else", async () => {
  const at = await engine();
  const page = await open(at);
  page.on("dialog", () => assert.fail("a name from a log ran"));
  const names = ['<img src=x onerror=alert(1)>', '"><script>alert(1)<\u002fscript>', "\u202egnp.example", "a".repeat(2000)];
  const entries = names.map((name) => ({ crc: "3", status: 200, bytes: 1, method: "GET", url: Buffer.from(`http://${name.replaceAll("/", "")}/`), type: "<b>", client: [192, 0, 2, 7] }));
  entries.push({ ...entries[0], url: Buffer.from([...Buffer.from("http://bad"), 0xff, 0xfe, ...Buffer.from(".example/")]) });
  const socket = await node(at, SECRET, frame(segment(entries)));
  await live(page);
  await settled(page, "#sites", 5);
  assert.equal(await page.locator("#data img, #data script, [onerror]").count(), 0);
  const text = await page.textContent("#sites tbody");
  assert.ok(text.includes("<img src=x onerror") || text.includes("<img"), text);
  assert.ok(text.includes("\\xff\\xfe") || text.includes("\\xff"), text);
  assert.ok(!text.includes("\u202e"), "bidirectional marks are replaced");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  socket.destroy();
});

test("the guide says how to point a node here, and why one was refused", async () => {
  const at = await engine();
  const page = await open(at);
  await page.waitForSelector("html[data-state=guide]");
  const guide = await page.textContent("#guide");
  for (const text of ["Waiting for the first Traffic Server", "collation_hosts", "filters: []", at.collation]) assert.ok(guide.includes(text), text);
  if (SHOTS) await shoot(page, "empty");
  await page.locator("#guide .copy").first().click();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /collation_hosts/);
  (await node(at, frame(Buffer.from("wrong")))).destroy();
  await page.waitForFunction(() => /127\.0\.0\.1/.test(document.querySelector("#guide .facts").textContent) && /secret/i.test(document.querySelector("#guide .facts").textContent));
  await replay(at, "ats-8.1-collation-reconnect.conn0");
  await live(page);
});

const SIZES = [[1440, 900], [1920, 1080], [820, 1180], [390, 844], [320, 640]];

test("nothing is clipped, overlaps or leaves the page, and axe finds nothing", async () => {
  const at = await engine("demo", "--clock", "stdin", "--history", "2m", "--seed", "1", "--at", "1715690000");
  await at.step(2);
  for (const [width, height] of SIZES) {
    for (const theme of ["light", "dark"]) {
      const page = await open(at, { width, height, theme });
      await live(page);
      await page.waitForSelector("#matrix g.cell[data-value]");
      await page.waitForFunction(() => document.querySelectorAll("#clients tbody tr").length > 3);
      const found = await page.evaluate(() => {
        const wrong = [];
        if (document.documentElement.scrollWidth > innerWidth) wrong.push(`page is ${document.documentElement.scrollWidth} wide`);
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const node = walker.currentNode;
          const parent = node.parentElement;
          if (!node.data.trim() || parent.closest("dialog, [hidden], .skip, [class*=hidden], script, style")) continue;
          const range = document.createRange();
          range.selectNodeContents(node);
          const box = range.getBoundingClientRect();
          if (box.width < 2 || box.height < 2 || getComputedStyle(parent).visibility === "hidden") continue;
          const size = parseFloat(getComputedStyle(parent).fontSize);
          if (size < 10.99) wrong.push(`${node.data} at ${size} px`);
          const clipped = [...document.querySelectorAll("[id=announce],[id=alarm]")].some((quiet) => quiet.contains(parent));
          if (!clipped && (box.left < -0.5 || box.right > innerWidth + 0.5)) wrong.push(`${node.data} leaves the page at ${box.left} to ${box.right}`);
        }
        return wrong;
      });
      assert.deepEqual(found, [], `${width} ${theme}`);
      if (width === 1440 || width === 390) {
        await page.evaluate(await (await import("node:fs/promises")).readFile(AXE, "utf8"));
        const violations = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ["violations"] })).violations.map((v) => `${v.id}: ${v.nodes[0].html}`));
        assert.deepEqual(violations, [], `${width} ${theme}`);
      }
      if (SHOTS && width === 1440) await shoot(page, `demo-${theme}`);
      const { wrong } = pages.pop();
      assert.deepEqual(wrong, []);
      await page.context().close();
    }
  }
});

async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
}
