// The line under the controls: what the operator must know now, worst first, else how far counting has come.

import { select } from "d3-selection";
import * as format from "../data/format";
import { type Changes, type Incident, type Part, sentence, stands } from "../data/incidents";
import type { StatusView, TableView, Window } from "../data/protocol";
import type { State } from "../data/socket";
import { element, mark, write } from "../dom";
import { thisWindow } from "./windows";

export interface NoticeData {
  connection: State;
  status: StatusView | null;
  changes: Changes | null;
  /** Any table: its totals are those of all requests in the window, in the measure named. */
  table: TableView | null;
  window: Window;
  measure: string;
  /** When the connection was lost, by the engine's clock; null while it holds or before it first did. */
  lostAt: number | null;
  lostFor: number; // ms
  retryIn: number; // ms
  /** True once the page waited too long for its first data. */
  waiting: boolean;
  now: number | null;
  utc: boolean;
}

type Id = "outdated" | "lost" | "waiting" | "orphaning" | "secret" | "since" | "usual" | `incident ${string}`;

interface Notice {
  id: Id;
  level: "bad" | "warn" | "quiet";
  time: string;
  text: string | Part[];
  action?: string;
}

/** Without so much history the engine finds nothing unusual, whatever happens. */
const HISTORY = 300_000; // ms

/** At most this many lines. */
const MOST = 3;

export function notices(root: HTMLElement, act: (id: Id) => void): (data: NoticeData) => void {
  return (data) => {
    select(root)
      .selectAll<HTMLParagraphElement, Notice>("p")
      .data(list(data), (notice) => notice.id)
      .join((enter) =>
        enter.append((notice) => {
          const button = element("button", { type: "button" });
          button.addEventListener("click", () => act(notice.id));
          return element("p", { "data-notice": notice.id }, element("b"), element("span"), button);
        }),
      )
      .order()
      .each(function (notice) {
        const [time, text, button] = this.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
        mark(this, "data-level", notice.level);
        write(time, notice.time);
        writeParts(text, typeof notice.text === "string" ? [{ text: notice.text }] : notice.text);
        write(button, notice.action ?? "");
        button.hidden = notice.action === undefined;
      });
  };
}

/** Writes a sentence, whose pieces have elements of their own only where they stand out. */
function writeParts(node: HTMLElement, parts: Part[]): void {
  select(node)
    .selectAll<HTMLElement, Part>("span")
    .data(parts)
    .join("span")
    .each(function ({ text, weight }) {
      mark(this, "class", weight ?? null);
      write(this, text);
    });
}

function list(data: NoticeData): Notice[] {
  const { connection, status, changes, now, utc } = data;
  const all: Notice[] = [];
  if (connection.phase === "outdated") {
    all.push({ id: "outdated", level: "bad", time: "", text: "The engine was updated; reload this page.", action: "Reload" });
  } else if (data.lostAt !== null && connection.phase !== "connected") {
    const next =
      connection.phase === "waiting"
        ? `Attempt ${connection.attempt} follows in ${Math.max(0, Math.ceil(data.retryIn / 1000))}\u202fs; the longest wait is 160\u202fs.`
        : `Attempt ${connection.attempt} is under way.`;
    const text = `Connection to the engine lost ${format.seconds(Math.round(data.lostFor / 1000) * 1000).replace(".0", "")} ago. Everything below is as it was then, shown without colour. ${next}`;
    all.push({ id: "lost", level: "bad", time: format.clock(data.lostAt, data.utc), text, action: "Reconnect now" });
  } else if (data.waiting) {
    all.push({ id: "waiting", level: "quiet", time: "", text: "Waiting for the engine." });
  }
  if (status?.orphaning) {
    const text = "Nodes may be orphaning records: the engine's workers use more than 80\u202f% of a core, and Traffic Server keeps on its own disk what it cannot send.";
    all.push({ id: "orphaning", level: "bad", time: "", text });
  }
  if (status?.defaultSecretExposed) {
    const text = "The default secret is in use on an address that other machines reach: whoever knows it can send records. Set VISULATE_SECRET or --secret-file.";
    all.push({ id: "secret", level: "warn", time: "", text });
  }
  for (const incident of (changes?.incidents ?? []).filter(stands)) {
    all.push({ id: incidentId(incident), level: "bad", time: begin(incident, utc), text: sentence(incident) });
  }
  if (all.length > 0) {
    return all.slice(0, MOST);
  }
  const judged = changes !== null && changes.judgedTo > 0 && status !== null && now !== null && now - status.countingSince >= HISTORY;
  return [judged ? usual(changes, utc) : since(data)];
}

const incidentId = ({ since, silentNode }: Incident): Id => `incident ${since} ${silentNode ?? ""}`;

/** When an incident began, to the minute. */
function begin({ since }: Incident, utc: boolean): string {
  return format.clock(since, utc).slice(0, -3);
}

/** All is as usual; what is over is told once more. */
function usual({ incidents }: Changes, utc: boolean): Notice {
  const [last] = incidents.filter(({ until }) => until !== null).sort((a, b) => (b.until ?? 0) - (a.until ?? 0));
  const notice: Notice = { id: "usual", level: "quiet", time: "", text: "Nothing unusual in this hour." };
  if (last === undefined) {
    return notice;
  }
  const span = `${begin(last, utc)} to ${format.clock(last.until ?? 0, utc).slice(0, -3)}`;
  const quiet = sentence(last).map(({ text, weight }): Part => (weight === undefined ? { text } : { text, weight: "strong" }));
  return { ...notice, text: [{ text: `Nothing unusual now. ${span}: ` }, ...quiet] };
}

function since({ status, table, window, measure, now, utc }: NoticeData): Notice {
  const notice: Notice = { id: "since", level: "quiet", time: "", text: format.MISSING };
  if (status === null || now === null) {
    return notice;
  }
  const began = `Counting since ${format.clock(status.countingSince, utc)}, for ${format.seconds(Math.max(0, now - status.countingSince)).replace(/\.\d/, "")}`;
  const total = table?.total;
  const words = thisWindow(window);
  const span = window === "total" ? "" : `. ${(words[0] ?? "").toUpperCase()}${words.slice(1)}`;
  if (total === undefined || total.value === 0) {
    return { ...notice, text: window === "total" ? `${began}. No requests yet.` : `${began}. No requests ${words}.` };
  }
  const size = measure === "bytes" ? `${format.bytes(total.value)} to clients` : `${format.count(total.value)} requests`;
  const known = total.hit + total.miss + total.error;
  const bands = known > 0 ? `; ${format.share(total.hit, known)} served from cache, ${format.share(total.error, known)} failed` : "";
  return { ...notice, text: `${began}${span}: ${size}${bands}.` };
}
