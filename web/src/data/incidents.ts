// What isn't as usual, as the engine tells it (kind `changes` of `src/page/stream.md`), and its sentence.
//
// Keys come from logs: they are only ever set as text.

import * as format from "./format";
import type { Model } from "./protocol";

export type SignalName = "error_share" | "p95_ms" | "hit_ratio" | "requests_per_second";

export interface Named {
  dimension: string;
  /** One key, or the two of a pair. */
  key: string[];
  share: number; // 0 to 1
}

export interface Signal {
  signal: SignalName;
  since: number; // ms since the epoch
  /** Null while it stands. */
  until: number | null;
  before: number;
  now: number;
  explainedBy: Named[];
}

export interface Incident {
  since: number; // ms since the epoch
  until: number | null;
  /** Those that stand first, the worst of them first. */
  signals: Signal[];
  /** The node that is silent, in place of signals. */
  silentNode: string | null;
}

export interface Changes {
  /** Up to where traffic was judged, ms since the epoch; 0 before that. */
  judgedTo: number;
  /** The worst first. */
  incidents: Incident[];
}

/** A piece of a sentence; figures that matter stand out, and what is bad among them. */
export interface Part {
  text: string;
  weight?: "strong" | "bad";
}

const SIGNALS: readonly string[] = ["error_share", "p95_ms", "hit_ratio", "requests_per_second"];

export function changesView(model: Model): Changes {
  const texts = Array.from({ length: model.number(1) }, (_, i) => model.text(i));
  return { judgedTo: model.number(0) * 1000, incidents: texts.map(parse).filter((incident) => incident !== null) };
}

function parse(text: string): Incident | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { since, until, signals, silent_node: node } = object(value);
  if (typeof since !== "number" || !Array.isArray(signals)) {
    return null;
  }
  const known = signals.map(signalOf).filter((signal) => signal !== null);
  const silentNode = typeof node === "string" ? node : null;
  return known.length === 0 && silentNode === null ? null : { since: since * 1000, until: moment(until), signals: known, silentNode };
}

function signalOf(value: unknown): Signal | null {
  const { signal, since, until, before, now, explained_by: named } = object(value);
  if (typeof signal !== "string" || !SIGNALS.includes(signal) || typeof since !== "number" || typeof before !== "number" || typeof now !== "number") {
    return null;
  }
  const explainedBy = (Array.isArray(named) ? named : []).map(namedOf).filter((one) => one !== null);
  return { signal: signal as SignalName, since: since * 1000, until: moment(until), before, now, explainedBy };
}

function namedOf(value: unknown): Named | null {
  const { dimension, key, share } = object(value);
  const keys = Array.isArray(key) ? key.map(String) : [String(key)];
  return typeof dimension === "string" && typeof share === "number" ? { dimension, key: keys, share } : null;
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function moment(value: unknown): number | null {
  return typeof value === "number" ? value * 1000 : null;
}

export const stands = (incident: Incident): boolean => incident.until === null;

/** The signals that an incident tells of: while it stands, those that do. */
function told(incident: Incident): Signal[] {
  const standing = incident.signals.filter(({ until }) => until === null);
  return standing.length > 0 ? standing : incident.signals;
}

/** The key that says most of a signal: site and status together, else the first. */
function main(signal: Signal | undefined): Named | undefined {
  return signal?.explainedBy.find(({ key }) => key.length > 1) ?? signal?.explainedBy[0];
}

/** The sentence of an incident, without its time. */
export function sentence(incident: Incident): Part[] {
  if (incident.silentNode !== null) {
    return [{ text: format.nodeName(incident.silentNode), weight: "strong" }, { text: " is silent: its connection is gone." }];
  }
  return told(incident).flatMap((signal, i) => [...(i === 0 ? [] : [{ text: " " }]), ...clause(signal, i === 0), { text: "." }]);
}

function clause(signal: Signal, first: boolean): Part[] {
  const { before, now } = signal;
  const way = now >= before ? "rose" : "fell";
  const strong = first ? ("bad" as const) : undefined;
  const part = (text: string): Part => (strong === undefined ? { text } : { text, weight: strong });
  const parts: Part[] = [];
  switch (signal.signal) {
    case "error_share":
      parts.push({ text: `Errors ${way} from ${tenths(before)} to ` }, part(`${tenths(now)}\u202f% of requests`));
      break;
    case "hit_ratio": {
      const digits = Math.round(before * 100) === Math.round(now * 100) ? tenths : whole;
      parts.push({ text: `Hit ratio ${way} from ${digits(before)} to ` }, part(`${digits(now)}\u202f%`));
      break;
    }
    case "p95_ms":
      parts.push({ text: `Response time of the slowest 5\u202f% ${way} from ${format.duration(before)} to ` }, part(format.duration(now)));
      break;
    case "requests_per_second":
      parts.push({ text: `Requests ${way} from ${format.count(before)} to ` }, part(`${format.count(now)} per second`));
  }
  return first ? [...parts, ...because(signal)] : parts;
}

function because(signal: Signal): Part[] {
  const named = main(signal);
  if (named === undefined) {
    return [{ text: "; spread over many sites" }];
  }
  const fall = signal.now < signal.before ? "fall" : "rise";
  const [key = "", status = ""] = named.key.map(format.shown);
  const lead = `; ${whole(named.share)}\u202f% of the ${fall} is `;
  const strong = (text: string): Part => ({ text, weight: "strong" });
  switch (named.dimension) {
    case "site,status":
      return [{ text: `${lead}${status} from ` }, strong(key)];
    case "status":
      return [{ text: lead }, strong(key)];
    case "node":
      return [{ text: `${lead}from node ` }, strong(format.nodeName(named.key[0] ?? ""))];
    default:
      return [{ text: `${lead}from ` }, strong(key)];
  }
}

const tenths = (share: number): string => (share * 100).toFixed(1);
const whole = (share: number): string => (share * 100).toFixed(0);

const WORDS: Record<SignalName, string> = { error_share: "errors", p95_ms: "response time", hit_ratio: "hit ratio", requests_per_second: "requests" };

/** A few words for a chart: which key, or what changed. */
export function label(incident: Incident): string {
  const first = told(incident)[0];
  const named = main(first);
  if (first === undefined) {
    return `${format.nodeName(incident.silentNode ?? "")} silent`;
  }
  return named === undefined ? WORDS[first.signal] : named.key.map(format.shown).join(" ");
}

/** The keys that incidents which stand name, by dimension. */
export function namedKeys(changes: Changes | null): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const { dimension, key } of (changes?.incidents ?? []).filter(stands).flatMap(({ signals }) => signals.flatMap(({ explainedBy }) => explainedBy))) {
    if (key.length === 1) {
      found.set(dimension, (found.get(dimension) ?? new Set()).add(key[0] as string));
    }
  }
  return found;
}
