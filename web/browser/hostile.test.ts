// Names from logs are hostile: they show as text, run nothing and break nothing.

import { expect, test } from "vitest";
import { agree, counted } from "./agree";
import { layout } from "./layout";
import { type Entry } from "./node";
import { engine, node, open } from "./stage";
import { until } from "./until";

const MARKUP = "<img src=x onerror=alert(1)>";
const HOSTS: (string | Buffer)[] = [
  MARKUP,
  '"><script>alert(1)</script>',
  "javascript:alert(1)",
  "\u202egnp.elpmaxe",
  "a\u200bb\u2066c.example",
  Buffer.from([0xff, 0xfe, 0x80, 0x2e, 0xc3, 0x28]),
  "\u0001\u0007\u001b[31mred.example",
  `${"long".repeat(500)}.example`,
  "日本語.example",
  "back\\slash.example",
  "${alert(1)}{{alert(1)}}.example",
];

test("hostile hosts, types and node names are text and nothing else", async () => {
  const host = await engine();
  const there = await open(host);
  const { page } = there;
  const name = Buffer.concat([Buffer.from(`${MARKUP}\u202e`), Buffer.from([0xff])]);
  const edge = await node(host.collation, name);
  const entries = HOSTS.flatMap((host, i) => Array.from({ length: HOSTS.length - i }, (): Entry => ({ host, client: `198.51.100.${i + 1}`, type: MARKUP })));
  edge.send(entries);
  await counted(host, entries.length);
  const shown = await agree(there, host);
  expect(shown.sites.rows.length).toBeGreaterThanOrEqual(8);
  expect(Object.keys(shown.nodes.ticks)[0]).toContain(MARKUP);
  const found = await page.evaluate(() => ({
    made: [...document.querySelectorAll("main img, main script, main iframe, header img, a[href^='javascript']")].length,
    hidden: (document.body.innerText.match(/[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u200b-\u200e\u202a-\u202e\u2066-\u2069]/g) ?? []).length,
    titles: [...document.querySelectorAll("[title], [aria-label]")].filter((node) => /[\u202a-\u202e\u2066-\u2069\u200b]/.test(`${node.getAttribute("title")}${node.getAttribute("aria-label")}`)).length,
    names: [...document.querySelectorAll("#sites tbody th")].map((cell) => cell.getAttribute("title")),
  }));
  expect(found).toMatchObject({ made: 0, hidden: 0, titles: 0 });
  expect(found.names).toEqual(expect.arrayContaining([expect.stringMatching(/\ufffdgnp\.elpmaxe/), expect.stringContaining("\\xff")]));
  for (const [width, height] of [[1440, 900], [390, 844]] as const) {
    await page.setViewportSize({ width, height });
    await until("the layout holds", async () => (await layout(page)).length === 0, { within: 3_000 }).catch(() => {});
    expect(await layout(page)).toEqual([]);
  }
});

test("what these tests rely on: a broken policy and a foreign request are seen", async () => {
  const there = await open(await engine());
  await there.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    const image = document.createElement("img");
    image.src = "http://192.0.2.1/x.png";
    document.body.append(image);
  });
  await until("both are seen", () => ["script-src", "img-src"].every((name) => there.problems.some((text) => text.includes(`policy broken: ${name}`))));
  expect(await there.page.evaluate(() => "ran" in window)).toBe(false);
  there.problems.length = 0;
});
