// The engine as a process of its own, on free ports, and the programs that feed it.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until } from "./until";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The program under test: `VISULATE_BIN`, else what `cargo build --profile fast` made. */
export const PROGRAM = process.env["VISULATE_BIN"] ?? `${root}target/fast/visulate`;

export function capture(name: string): string {
  return `${root}tests/captures/${name}.bin.zst`;
}

const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

function start(args: string[], env: Record<string, string> = {}): ChildProcess {
  if (!existsSync(PROGRAM)) {
    throw new Error(`there is no ${PROGRAM}: build it, or set VISULATE_BIN`);
  }
  const { VISULATE_SECRET: _, ...others } = process.env;
  const child = spawn(PROGRAM, args, { env: { ...others, NO_COLOR: "1", ...env }, stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

export interface EngineOptions {
  command?: "serve" | "demo";
  collation?: string;
  http?: string;
  args?: string[];
  env?: Record<string, string>;
}

export class Engine {
  readonly #child: ChildProcess;
  #log = "";
  #ticks: number[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#log += text.replace(/\x1b\[[\d;]*m/g, "")));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      for (const [, at] of text.matchAll(/^at (\d+)$/gm)) {
        this.#ticks.push(Number(at));
      }
    });
  }

  static async start({ command = "serve", collation = "127.0.0.1:0", http = "127.0.0.1:0", args = [], env = {} }: EngineOptions = {}): Promise<Engine> {
    const engine = new Engine(start([command, "--collation", collation, "--http", http, ...args], env));
    await until("the engine listens", () => {
      if (engine.#child.exitCode !== null) {
        throw new Error(`the engine did not start:\n${engine.#log}`);
      }
      return /the page is at http/.test(engine.#log) && (command !== "demo" || /of history sent/.test(engine.#log));
    });
    return engine;
  }

  get log(): string {
    return this.#log;
  }

  /** Address and port that take log collation. */
  get collation(): string {
    return this.#find(/log collation on (\S+?),/);
  }

  /** Address and port of the page. */
  get http(): string {
    return this.#find(/the page is at http:\/\/(\S+)/);
  }

  #find(pattern: RegExp): string {
    const found = pattern.exec(this.#log)?.[1];
    if (found === undefined) {
      throw new Error(`not in the engine's log: ${pattern}\n${this.#log}`);
    }
    return found;
  }

  /** Answers of the API; anything but 200 is an error. */
  async get<T>(path: string): Promise<T> {
    const response = await fetch(`http://${this.http}/api/v1/${path}`);
    if (response.status !== 200) {
      throw new Error(`${path}: ${response.status} ${await response.text()}`);
    }
    return (await response.json()) as T;
  }

  /** Moves the clock of a demo with `--clock stdin`, and waits until the engine has taken all of it. */
  async advance(seconds: number): Promise<void> {
    const before = this.#ticks.length;
    this.#child.stdin?.write(`+${seconds}s\n`);
    await until(`the demo went on by ${seconds} s`, () => this.#ticks.length > before, { within: 30_000, every: 20 });
  }

  /** Ends it without a word, as a crash does. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    let late = false;
    const last = setTimeout(() => (late = child.kill("SIGKILL")), 10_000);
    await gone;
    clearTimeout(last);
    if (late) {
      throw new Error(`the engine did not stop within 10 s:\n${this.#log}`);
    }
  }
}

/** Sends a capture as `visulate replay` does; returns the entries sent. */
export async function replay(engine: Engine, name: string, ...args: string[]): Promise<number> {
  const child = start(["replay", capture(name), "--to", engine.collation, ...args]);
  let out = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const entries = /"entries":(\d+)/.exec(out)?.[1];
  if (code !== 0 || entries === undefined) {
    throw new Error(`replay of ${name} ended with ${code}:\n${errors}`);
  }
  return Number(entries);
}
