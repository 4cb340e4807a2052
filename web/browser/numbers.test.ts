// What the page shows is what the API says, whatever was fed, however the rows are ordered and whichever ranks are looked at.

import { describe, expect, test } from "vitest";
import { agree, counted } from "./agree";
import { replay } from "./engine";
import type { Entry } from "./node";
import { demo, engine, node, open } from "./stage";
import { until } from "./until";
import { read, stateOf, type Visit } from "./visit";

describe("a capture over a socket", () => {
  test("its numbers on the page are those of the API, by requests and by bytes", async () => {
    const host = await engine();
    const there = await open(host);
    const sent = await replay(host, "ats-8.1-collation-squid");
    expect(sent).toBe(10_000);
    await counted(host, sent);
    const shown = await agree(there, host);
    expect(shown.sites.rows).toHaveLength(12);
    expect(shown.clients.rows).toHaveLength(10);
    expect(shown.matrix.rows).toHaveLength(20);
    expect(Object.keys(shown.matrix.cells).length).toBeGreaterThan(100);
    expect(shown.sites.rows.reduce((sum, row) => sum + row.value, shown.sites.others.value)).toBe(10_000);
    await there.page.locator('#measures input[value="bytes"]').check({ force: true });
    const bytes = await agree(there, host, { measure: "bytes" });
    expect(bytes.sites.rows.reduce((sum, row) => sum + row.value, bytes.sites.others.value)).toBe(215_790_922);
    expect(new URL(there.page.url()).search).toBe("?w=total&m=bytes");
  });

  test("a page opened later shows the same as one that watched, and nodes are counted while they are connected", async () => {
    const host = await engine();
    const early = await open(host);
    const edges = await Promise.all(["edge-a", "edge-b", "edge-c"].map((name) => node(host.collation, name)));
    edges.forEach((edge, i) => edge.send([{ host: "www.node.example", client: `192.0.2.${i + 1}` }]));
    const sent = await replay(host, "ats-8.1-collation-two-clients.conn0-edge-01-squid");
    const more = await replay(host, "ats-8.1-collation-two-clients.conn1-edge-02-rich");
    await counted(host, sent + more + 3);
    const late = await open(host);
    const shown = await agree(early, host);
    expect(shown.nodes.count).toBe("3 of 5");
    expect(await agree(late, host)).toEqual(shown);
    await edges[0]?.close();
    const less = await until("a node went", async () => ((await read(early)).nodes.count === "2 of 5" ? agree(early, host) : null));
    expect(less.nodes.count).toBe("2 of 5");
  });
});

/** `count(i)` requests for each of `hosts` sites, from clients that differ as much. */
function load(hosts: number, count: (i: number) => number): Entry[] {
  return Array.from({ length: hosts }, (_, i) => Array.from({ length: count(i) }, (_, n): Entry => ({ host: `www.site-${i}.example`, client: `192.0.2.${i + 1}`, result: n % 3 === 0 ? "miss" : "hit" }))).flat();
}

/** Tags the rows of a table, to tell later whether a name still has its element. */
function tag({ page }: Visit, id: string): Promise<(string | null)[]> {
  return page.evaluate((id) => {
    const rows = [...document.querySelectorAll(`#${id} tbody tr`)];
    rows.forEach((row) => Object.assign(row, { tagged: row.getAttribute("data-key") }));
    return rows.map((row) => row.getAttribute("data-key"));
  }, id);
}

function tags({ page }: Visit, id: string): Promise<[key: string | null, tagged: string | null][]> {
  return page.evaluate(
    (id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => [row.getAttribute("data-key"), (row as Element & { tagged?: string }).tagged ?? null]),
    id,
  );
}

describe("ranks that change", () => {
  test("rows take their new place and keep their element", async () => {
    const host = await engine();
    const there = await open(host);
    const edge = await node(host.collation, "edge-a");
    const first = load(16, (i) => 20 - i);
    edge.send(first);
    await counted(host, first.length);
    await agree(there, host);
    const before = await tag(there, "sites");
    await tag(there, "clients");
    const second = load(16, (i) => 3 * i);
    edge.send(second);
    await counted(host, first.length + second.length);
    const shown = await agree(there, host);
    const after = shown.sites.rows.map((row) => row.key);
    expect(after).not.toEqual(before);
    const kept = after.filter((key) => before.includes(key));
    expect(kept.length).toBeGreaterThanOrEqual(6);
    expect(kept.length).toBeLessThan(after.length);
    for (const id of ["sites", "clients"]) {
      const pairs = await tags(there, id);
      for (const [key, tagged] of pairs) {
        expect(tagged === null || tagged === key).toBe(true);
      }
      expect(pairs.filter(([, tagged]) => tagged !== null).length).toBeGreaterThanOrEqual(4);
    }
    // No row stands twice, and each slid to where its rank is.
    await until("rows came to rest", () =>
      there.page.evaluate(() => {
        const rows = [...document.querySelectorAll("#sites tbody tr")].map((row) => row.getBoundingClientRect().top);
        return rows.every((top, i) => i === 0 || top > (rows[i - 1] as number));
      }),
    );
    expect(new Set(after).size).toBe(after.length);
  });

  test("with the focus in a table its order holds, the values go on, and it catches up afterwards", async () => {
    const host = await engine();
    const there = await open(host);
    const edge = await node(host.collation, "edge-a");
    const first = load(8, (i) => 10 - i);
    edge.send(first);
    await counted(host, first.length);
    const order = (await agree(there, host)).sites.rows.map((row) => row.key);
    await there.page.locator("#sites tbody tr").nth(2).focus();
    const second = load(8, (i) => 20 * i);
    edge.send(second);
    await counted(host, first.length + second.length);
    const held = await until("values go on", async () => {
      const { rows } = (await read(there)).sites;
      return rows.some((row) => row.value > 100) && rows;
    });
    expect(held.map((row) => row.key)).toEqual(order);
    expect(await there.page.evaluate(() => document.activeElement?.getAttribute("data-key"))).toBe(order[2]);
    await there.page.evaluate(() => (document.activeElement as HTMLElement).blur());
    expect((await agree(there, host)).sites.rows.map((row) => row.key)).not.toEqual(order);
  });
});

describe("far ranks", () => {
  test("the window goes there by key, by drag and by click, and the values are right", async () => {
    const host = await demo();
    const there = await open(host);
    const { page } = there;
    const firstOf = async (id: "sites" | "clients"): Promise<number> => (await read(there))[id].rows[0]?.rank ?? 0;
    const moved = (id: "sites" | "clients", right: (first: number) => boolean): Promise<number> =>
      until(`the window of ${id} moved`, async () => {
        const first = await firstOf(id);
        return right(first) ? first : null;
      });
    await until("the page is live", async () => (await stateOf(there)) === "live");
    const { last } = (await agree(there, host)).clients;
    expect(last).toBeGreaterThan(5_000);

    const slider = page.locator("#clients .rank-curve");
    await slider.focus();
    await page.keyboard.press("PageDown");
    await moved("clients", (first) => first === 11);
    await page.keyboard.press("ArrowLeft");
    await moved("clients", (first) => first === 10);
    await agree(there, host, { clients: [10, 10] });
    await page.keyboard.press("End");
    const end = await moved("clients", (first) => first > 5_000);
    await agree(there, host, { clients: [end, 10] });
    expect(await slider.getAttribute("aria-valuenow")).toBe(String(end));
    await page.keyboard.press("Home");
    await moved("clients", (first) => first === 1);

    const box = (await page.locator("#sites .rank-curve").boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    await page.mouse.move(box.x + 10, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.6 * box.width, box.y + 20, { steps: 8 });
    await page.mouse.up();
    const dragged = await moved("sites", (first) => first > 30);
    await until("the drag came to rest", async () => new URL(page.url()).searchParams.get("r.sites") === String(await firstOf("sites")));
    await agree(there, host, { sites: [await firstOf("sites"), 12] });
    await page.mouse.click(box.x + 0.3 * box.width, box.y + 20);
    const clicked = await moved("sites", (first) => first < dragged);
    await until("the click came to rest", async () => new URL(page.url()).searchParams.get("r.sites") === String(await firstOf("sites")));
    await agree(there, host, { sites: [clicked, 12] });

    // The address holds the ranks: rank 5 000 is one link away, and stays right as the feed goes on.
    const far = await open(host, { query: "?w=total&r.clients=5000" });
    await agree(far, host, { clients: [5_000, 10] });
    await host.advance(5);
    await agree(far, host, { clients: [5_000, 10] });
  });
});
