// The real engine, as a process of its own, and what its API says.

import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const BINARY = process.env.VISULATE_BIN ?? new URL("../../target/fast/visulate", import.meta.url).pathname;
const CAPTURES = new URL("../../tests/captures/", import.meta.url).pathname;

/** Starts `visulate COMMAND`, and waits until it says where it listens. */
export async function start(command, ...options) {
  const defaults = { "--http": "127.0.0.1:0", "--collation": "127.0.0.1:0" };
  for (const name of Object.keys(defaults)) if (options.includes(name)) delete defaults[name];
  const args = [command, "--memory", "256M", ...Object.entries(defaults).flat(), ...options];
  const child = spawn(BINARY, args, { stdio: ["pipe", "pipe", "pipe"] });
  const lines = createInterface({ input: child.stderr });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const at = {};
  await new Promise((resolve, reject) => {
    const said = [];
    lines.on("line", (line) => {
      said.push(line);
      at.collation ??= line.match(/log collation on ([^,]+),/)?.[1];
      at.http ??= line.match(/the page is at http:\/\/(\S+)/)?.[1];
      if (at.collation && at.http) resolve();
    });
    child.on("exit", () => reject(new Error(said.join("\n"))));
  });
  return {
    ...at,
    child,
    json: async (path) => (await fetch(`http://${at.http}/api/v1/${path}`)).json(),
    /** Moves a driven clock, and waits until all is published. */
    step: async (seconds) => {
      child.stdin.write(`+${seconds}s\n`);
      return (await answers.next()).value;
    },
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill(signal);
      await gone;
    },
  };
}

/** Sends bytes as a node would, and keeps the connection. */
export async function node(engine, ...chunks) {
  const [host, port] = engine.collation.split(":");
  const socket = net.connect(Number(port), host);
  socket.on("error", () => {});
  await once(socket, "connect");
  for (const chunk of chunks) await new Promise((done) => socket.write(chunk, done));
  return socket;
}

/** Sends a captured stream with `visulate replay`. */
export async function replay(engine, name) {
  const child = spawn(BINARY, ["replay", `${CAPTURES}${name}.bin.zst`, "--to", engine.collation], { stdio: "ignore" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`replay ended with ${code}`);
}

/** What a capture comes to, by its README. */
export function expected(name) {
  return JSON.parse(readFileSync(`${CAPTURES}${name}.expected.json`, "utf8"));
}

/** The secret message of Traffic Server's default secret. */
export const SECRET = frame(Buffer.from("foobar"));

export function frame(body) {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** A segment of `crc,pssc,psql,cqhm,cquc,psct,chi` entries: {crc, status, bytes, method, url, type, client (4 numbers)}. */
export function segment(entries, seconds = 1795460493) {
  const strings = ["hostile", "crc,pssc,psql,cqhm,cquc,psct,chi", "x", "edge<b>1</b>", "hostile.blog"];
  const offsets = [];
  let text = Buffer.alloc(0);
  for (const string of strings) {
    offsets.push(64 + text.length);
    text = Buffer.concat([text, Buffer.from(`${string}\0`)]);
  }
  const pad = (bytes) => Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
  const integer = (value) => { const b = Buffer.alloc(8); b.writeBigInt64LE(BigInt(value)); return b; };
  const string = (value) => pad(Buffer.concat([Buffer.from(value), Buffer.from([0])]));
  const body = entries.map((entry) => {
    const payload = Buffer.concat([
      integer(entry.crc.charCodeAt(0)), integer(entry.status), integer(entry.bytes),
      string(entry.method), string(entry.url), string(entry.type), Buffer.from([2, 0, 9, 9, ...entry.client]),
    ]);
    const header = Buffer.alloc(16);
    header.writeBigInt64LE(BigInt(seconds));
    header.writeUInt32LE(16 + payload.length, 12);
    return Buffer.concat([header, payload]);
  });
  const data = pad(Buffer.concat([Buffer.alloc(64), text])).length;
  const header = Buffer.alloc(64);
  const total = data + body.reduce((sum, entry) => sum + entry.length, 0);
  [0x0aceface, 2, 4, total, entries.length, seconds, seconds, 1].forEach((word, at) => header.writeUInt32LE(word, at * 4));
  [...offsets, data].forEach((word, at) => header.writeUInt32LE(word, 40 + at * 4));
  return Buffer.concat([pad(Buffer.concat([header, text])), ...body]);
}
