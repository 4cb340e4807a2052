// What one would share lives in the page's address: window, measure, zone and the first ranks shown. Defaults are left out.

import { type Measure, type Window, WINDOWS } from "./protocol";

export interface Settings {
  window: Window;
  measure: Measure;
  utc: boolean;
  sitesFirst: number;
  clientsFirst: number;
}

/** The measures that the page offers now. */
export const MEASURES: readonly Measure[] = ["requests", "bytes"];

const OWN = ["w", "m", "tz", "r.sites", "r.clients"];

/** Reads the address's query; bad values fall back to the default. */
export function readSettings(search: string): Settings {
  const query = new URLSearchParams(search);
  return {
    window: WINDOWS.find((window) => window === query.get("w")) ?? "1h",
    measure: MEASURES.find((measure) => measure === query.get("m")) ?? "requests",
    utc: query.get("tz") === "utc",
    sitesFirst: rank(query.get("r.sites")),
    clientsFirst: rank(query.get("r.clients")),
  };
}

/** Writes settings over a query; keys of others are kept, behind ours. */
export function writeSettings(settings: Settings, search: string): string {
  const query = new URLSearchParams();
  const set = (key: string, value: string, usual: string): void => {
    if (value !== usual) {
      query.set(key, value);
    }
  };
  set("w", settings.window, "1h");
  set("m", settings.measure, "requests");
  set("r.sites", String(settings.sitesFirst), "1");
  set("r.clients", String(settings.clientsFirst), "1");
  set("tz", settings.utc ? "utc" : "local", "local");
  for (const [key, value] of new URLSearchParams(search)) {
    if (!OWN.includes(key)) {
      query.append(key, value);
    }
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function rank(text: string | null): number {
  return text !== null && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}
