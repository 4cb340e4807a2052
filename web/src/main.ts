// The page: joins the connection, what it knows, and the parts that draw it.

import { namedKeys } from "./data/incidents";
import type { Measure, Window } from "./data/protocol";
import { readSettings, writeSettings, MEASURES, type Settings } from "./data/settings";
import { Connection, type Clock, type Socket } from "./data/socket";
import { Store, VIEW } from "./data/store";
import { find, mark, write } from "./dom";
import { drawing } from "./draw";
import { boxes, ruler } from "./measure";
import { announcer } from "./parts/announcer";
import { circles } from "./parts/circles";
import type { Context } from "./parts/context";
import { choices, keyList, keys, theme } from "./parts/controls";
import { guide } from "./parts/guide";
import { notices } from "./parts/notices";
import { ranked } from "./parts/ranked";
import { series } from "./parts/series";
import { statusLine } from "./parts/statusLine";
import { WINDOW_CHOICES } from "./parts/windows";

/** Without a first word from the engine for this long, the page says that it waits. */
const PATIENCE = 2_000; // ms
/** Messages come every second; after this long without one the clock goes on by the page's own measure. */
const QUIET = 1_500; // ms

const clock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Only the crosshair moved, as far as the next drawing knows. */
let onlyCross = true;
const redraw = drawing(() => (onlyCross ? plots.follow() : draw()));

function dirty(): void {
  onlyCross = false;
  redraw();
}

const openedAt = clock.now();
const store = new Store((text) => connection.send(text), clock.now);
let settings = readSettings(location.search);
let lost: { at: number; since: number } | null = null;
/** Milliseconds since the newest message, looked at once a second. */
let age: number | null = null;

const connection = new Connection({
  open: () => new WebSocket(new URL("ws", location.href.replace(/^http/, "ws"))) as Socket,
  clock,
  random: Math.random,
  onState(state) {
    if (state.phase === "connected") {
      lost = null;
    } else if (lost === null && store.hello !== null) {
      lost = { at: store.asOf, since: store.heardAt ?? clock.now() };
    }
    dirty();
  },
  onHello(hello) {
    store.onHello(hello);
    dirty();
  },
  onControl(control) {
    store.onControl(control);
    dirty();
  },
  onMessage(message) {
    store.onMessage(message);
    dirty();
  },
});

function set(change: Partial<Settings>): void {
  settings = { ...settings, ...change };
  history.replaceState(null, "", location.pathname + writeSettings(settings, location.search) + location.hash);
  dirty();
}

const setMeasure = (measure: Measure): void => set({ measure, sitesFirst: 1, clientsFirst: 1 });
const status = statusLine(find("#status"), () => set({ utc: !settings.utc }));
const setWindow = (window: Window): void => set({ window, sitesFirst: 1, clientsFirst: 1 });
const showWindow = choices(find("#windows"), WINDOW_CHOICES, setWindow);
const showMeasure = choices(
  find("#measures"),
  MEASURES.map((value) => ({ value, text: value })),
  setMeasure,
);
const toggleTheme = theme(find("#theme"));
const list = keyList(find<HTMLDialogElement>("#keys"), find("#keys-open"));
const drawNotices = notices(find("#notices"), (id) => (id === "outdated" ? location.reload() : connection.connect()));
const announce = announcer(find("#announce"), find("#alarm"));
const drawGuide = guide(find("#guide"));
const plots = series(find("#series"), find<HTMLDialogElement>("#points"), redraw, list.letters);
const sites = ranked({
  section: find("#sites"),
  name: "sites",
  dimension: "site",
  head: "registrable domain",
  table: VIEW.sites,
  rank: VIEW.sitesRank,
  onFirst: (sitesFirst) => set({ sitesFirst }),
});
const clients = ranked({
  section: find("#clients"),
  name: "clients",
  dimension: "client",
  head: "client address",
  table: VIEW.clients,
  rank: VIEW.clientsRank,
  onFirst: (clientsFirst) => set({ clientsFirst }),
});
const pairs = circles(find("#matrix"), dirty);

const still = matchMedia("(prefers-reduced-motion: reduce)");
const wide = matchMedia("(min-width: 112.5em)");
const phone = matchMedia("(max-width: 37.5em)");
/** The browser's text size, in parts of the usual 16 px. */
const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
const sizes = boxes(() => {
  status.fit();
  dirty();
});
const texts = ruler(() => {
  const body = getComputedStyle(document.body);
  return `${body.fontSize} ${body.fontFamily}`;
});
sizes.watch(find("#status"));
void document.fonts.ready.then(() => {
  texts.forget();
  status.fit();
  dirty();
});

function draw(): void {
  onlyCross = true;
  const now = clock.now();
  const time = store.hello === null ? null : store.asOf + (age !== null && age > QUIET ? age : 0);
  const state = connection.state;
  const retryIn = state.phase === "waiting" ? state.retryAt - now : 0;
  const guided = store.status !== null && !store.begun;
  const { utc, measure, window } = settings;

  showWindow(window);
  showMeasure(measure);
  mark(document.documentElement, "data-state", store.status === null ? "loading" : guided ? "guide" : "live");
  find("#controls").hidden = guided;
  find("#data").hidden = guided;
  find("#guide").hidden = !guided;
  mark(find("#data"), "data-lost", lost === null ? null : "");
  write(find("title"), store.hello?.name ? `Visulate · ${store.hello.name}` : "Visulate");

  status.draw({ connection: state, name: store.hello?.name ?? "", status: store.status, rates: store.rates, now: time, age, retryIn, utc });
  const context: Context = {
    store,
    status: store.status,
    named: namedKeys(store.changes),
    boxes: sizes,
    ruler: texts,
    window,
    measure,
    utc,
    scale,
    now,
    phone: phone.matches,
    still: still.matches,
    rows: { sites: wide.matches ? 30 : 12, clients: wide.matches ? 30 : 10, matrix: phone.matches ? 12 : 20 },
  };
  plots.draw(context);
  const table = sites.draw(context, settings.sitesFirst);
  clients.draw(context, settings.clientsFirst);
  pairs.draw(context);
  if (guided && store.status !== null) {
    drawGuide(store.status, time ?? 0, utc);
  }
  drawNotices({
    connection: state,
    status: store.status,
    changes: store.changes,
    table,
    window: store.view(VIEW.sites)?.of.window ?? window,
    measure: store.view(VIEW.sites)?.of.measure ?? measure,
    lostAt: lost?.at ?? null,
    lostFor: lost === null ? 0 : now - lost.since,
    retryIn,
    waiting: store.status === null && now - openedAt > PATIENCE,
    now: time,
    utc,
  });
  find("#notices").hidden = guided && lost === null && state.phase !== "outdated" && !store.status?.defaultSecretExposed;
  announce(state, lost !== null, store.status, store.changes, now);
}

/** Subscribes before the first drawing, so that a page opened in the background has data when it is looked at. */
store.subscribe({ view: VIEW.status, kind: "status" });
store.subscribe({ view: VIEW.changes, kind: "changes" });

keys(
  {
    ...Object.fromEntries(WINDOW_CHOICES.map(({ value }, i) => [String(i + 1), () => setWindow(value)])),
    r: () => setMeasure("requests"),
    b: () => setMeasure("bytes"),
    d: toggleTheme,
    "?": list.open,
  },
  list.letters,
);

for (const query of [still, wide, phone]) {
  query.addEventListener("change", dirty);
}
addEventListener("online", () => connection.connect());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    connection.connect();
  }
});
setInterval(() => {
  age = store.heardAt === null ? null : clock.now() - store.heardAt;
  dirty();
}, 1000);
connection.connect();
dirty();
