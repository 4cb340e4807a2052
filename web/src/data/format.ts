// Numbers, times and names as the page writes them. A number and its unit are joined by a narrow space that does not break.

const NARROW = "\u202f";
export const MISSING = "–";

/** Three significant digits: `663`, `88.4 k`, `1.75 M`. Whole numbers under 1 000 stay whole. */
export function count(value: number): string {
  const [digits, prefix] = scaled(value);
  return prefix === "" ? digits : digits + NARROW + prefix;
}

/** Decimal bytes: `612 MB`, `49.3 GB`. */
export function bytes(value: number): string {
  const [digits, prefix] = scaled(value);
  return `${digits}${NARROW}${prefix}B`;
}

const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];

function scaled(value: number): [digits: string, prefix: string] {
  if (!Number.isFinite(value)) {
    return [MISSING, ""];
  }
  const sign = value < 0 ? "−" : "";
  let size = Math.abs(value);
  if (size < 1000 && Number.isInteger(size)) {
    return [sign + String(size), ""];
  }
  let step = 0;
  // 999.5 and more would be written with four digits.
  while (size >= 999.5 && step < PREFIXES.length - 1) {
    size /= 1000;
    step += 1;
  }
  return [sign + digits3(size), PREFIXES[step] ?? ""];
}

function digits3(size: number): string {
  return size.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** A tick's value, without trailing zeros: `1.5 M`, `500 k`, `40 GB`. */
export function tick(value: number, unit = ""): string {
  const [digits, prefix] = scaled(value);
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return value === 0 || prefix + unit === "" ? short : `${short}${NARROW}${prefix}${unit}`;
}

/** A tick of time taken: `1 ms`, `10 s`. */
export function durationTick(ms: number): string {
  return ms < 1000 ? tick(ms, "ms") : tick(ms / 1000, "s");
}

/** The number of a text and its unit, to be set apart: `["1.70", "M"]`. */
export function apart(text: string): [number: string, unit: string] {
  const at = text.lastIndexOf(NARROW);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** A whole count in full: `10 012`. */
export function exact(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, NARROW);
}

/** One decimal: `5.3 %`; more than none is never `0.0 %`. */
export function share(part: number, whole: number): string {
  if (!(whole > 0)) {
    return MISSING;
  }
  const percent = (100 * part) / whole;
  return percent > 0 && percent < 0.05 ? `<0.1${NARROW}%` : `${percent.toFixed(1)}${NARROW}%`;
}

/** Whole percent, for ticks and sentences: `12 %`. */
export function wholeShare(part: number, whole: number): string {
  if (!(whole > 0)) {
    return MISSING;
  }
  const percent = (100 * part) / whole;
  return percent > 0 && percent < 0.5 ? `<1${NARROW}%` : `${percent.toFixed(0)}${NARROW}%`;
}

/** Time taken: `0.90 ms`, `6.2 ms`, `142 ms`, `3.0 s`. */
export function duration(ms: number): string {
  if (ms < 0) {
    return `−${duration(-ms)}`;
  }
  if (ms < 0.995) {
    return `${ms.toFixed(2)}${NARROW}ms`;
  }
  if (ms < 999.5) {
    return `${ms.toFixed(ms < 9.95 ? 1 : 0)}${NARROW}ms`;
  }
  return seconds(ms);
}

/** An age or a lag: `0.4 s`, `42 s`, `13 min`, `2 h`. */
export function seconds(ms: number): string {
  const s = ms / 1000;
  if (s < 0) {
    return `−${seconds(-ms)}`;
  }
  if (s < 9.95) {
    return `${s.toFixed(1)}${NARROW}s`;
  }
  if (s < 119.5) {
    return `${s.toFixed(0)}${NARROW}s`;
  }
  return s < 7170 ? `${Math.round(s / 60)}${NARROW}min` : `${Math.round(s / 3600)}${NARROW}h`;
}

/** Memory in binary units, the number apart from its unit: `["1.9", "of 4 GiB"]`. */
export function memory(used: number, cap: number): [used: string, of: string] {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (let size = cap > 0 ? cap : used; size >= 1024 && unit < units.length - 1; size /= 1024) {
    unit += 1;
  }
  const scale = 1024 ** unit;
  const short = (value: number): string => (value < 99.95 ? value.toFixed(1) : value.toFixed(0));
  const limit = short(cap / scale).replace(/\.0$/, "");
  return [short(used / scale), `${cap > 0 ? `of ${limit}` : ""}${NARROW}${units[unit] ?? ""}`.trim()];
}

/** A moment's clock time, always of 24 hours: `14:46:20`. */
export function clock(ms: number, utc: boolean): string {
  return (utc ? CLOCK_UTC : CLOCK_LOCAL).format(ms);
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const CLOCK_LOCAL = new Intl.DateTimeFormat("en-GB", CLOCK);
const CLOCK_UTC = new Intl.DateTimeFormat("en-GB", { ...CLOCK, timeZone: "UTC" });

/** A moment of a time axis: `14:30`; with its day where that is what changes: `Tue`, `12 May`. */
export function axisTime(ms: number, utc: boolean, by: "second" | "minute" | "weekday" | "day"): string {
  return by === "second" ? clock(ms, utc) : AXIS[by][utc ? 1 : 0].format(ms).replace(",", "");
}

function bothZones(options: Intl.DateTimeFormatOptions): readonly [local: Intl.DateTimeFormat, utc: Intl.DateTimeFormat] {
  return [new Intl.DateTimeFormat("en-GB", options), new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" })];
}

const AXIS = {
  minute: bothZones({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  weekday: bothZones({ weekday: "short" }),
  day: bothZones({ day: "numeric", month: "short" }),
} as const;

/** The short name of the zone in which `clock` writes: `CEST`, `UTC`. */
export function zone(ms: number, utc: boolean): string {
  if (utc) {
    return "UTC";
  }
  const names = ZONES.map((format) => format.formatToParts(ms).find((part) => part.type === "timeZoneName")?.value ?? "");
  return names.find((name) => !/^(GMT|UTC)[+−-]/.test(name)) ?? names[0] ?? "local";
}

/** Each English knows the short names of its own part of the world. */
const ZONES = ["en-GB", "en-US", "en-AU", "en-IN"].map((locale) => new Intl.DateTimeFormat(locale, { timeZoneName: "short" }));

/** A name from a log, safe to set as text: control and bidirectional characters would lie about what it is. */
export function shown(name: string): string {
  return name.replace(UNSHOWN, "\ufffd");
}

const UNSHOWN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** The name part of a node's key `NAME@ADDRESS`. */
export function nodeName(key: string): string {
  const at = key.lastIndexOf("@");
  return shown(at > 0 ? key.slice(0, at) : key);
}

/** A number in words for those who listen: `74.0 thousand`. */
export function spoken(value: number): string {
  const [digits, prefix] = scaled(value);
  return prefix === "" ? digits : `${digits} ${WORDS[prefix] ?? ""}`;
}

/** Bytes in words: `49.3 gigabytes`. */
export function spokenBytes(value: number): string {
  const [digits, prefix] = scaled(value);
  return `${digits} ${BYTES[prefix] ?? ""}bytes`;
}

const BYTES: Record<string, string> = { k: "kilo", M: "mega", G: "giga", T: "tera", P: "peta", E: "exa" };
const WORDS: Record<string, string> = { k: "thousand", M: "million", G: "billion", T: "trillion", P: "quadrillion", E: "quintillion" };
