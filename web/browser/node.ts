// A Traffic Server in small: holds a log collation connection and sends segments of the squid format that tests write by hand.

import { connect, type Socket } from "node:net";

const FIELDS = "cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct";
const TEMPLATE = FIELDS.split(",")
  .map(() => "\xff")
  .join(" ");

/** Cache result codes, as stored. */
const RESULT = { hit: "1", miss: "3", error: "u" } as const;

export interface Entry {
  host: string | Buffer;
  client?: string;
  result?: keyof typeof RESULT;
  size?: number;
  path?: string;
  type?: string | Buffer;
}

export class Node {
  readonly #socket: Socket;

  private constructor(
    socket: Socket,
    readonly name: string | Buffer,
  ) {
    this.#socket = socket;
  }

  static async connect(address: string, name: string | Buffer, secret = "foobar"): Promise<Node> {
    const at = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
    socket.on("error", () => {}); // the engine may go first
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    const node = new Node(socket, name);
    node.#send(Buffer.from(secret));
    return node;
  }

  /** Sends entries in one segment; times are now. */
  send(entries: readonly Entry[]): void {
    this.#send(segment(this.name, entries));
  }

  async close(): Promise<void> {
    if (this.#socket.closed) {
      return;
    }
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket.end();
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), 500).unref();
    await closed;
  }

  #send(body: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    this.#socket.write(Buffer.concat([length, body]));
  }
}

/** One LogBuffer of version 2: header, its texts, entries; everything little endian. */
export function segment(node: string | Buffer, entries: readonly Entry[], now = Date.now()): Buffer {
  const texts: Buffer[] = [];
  const header = Buffer.alloc(64);
  let at = header.length;
  const put = (text: string | Buffer): number => {
    const bytes = Buffer.concat([bytesOf(text), Buffer.of(0)]);
    const offset = at;
    texts.push(bytes);
    at += bytes.length;
    return offset;
  };
  const seconds = Math.floor(now / 1000);
  const offsets = [put("squid"), put(FIELDS), put(Buffer.from(TEMPLATE, "latin1")), put(node), put("squid.blog")];
  texts.push(Buffer.alloc(-at & 7));
  const start = (at + 7) & ~7;
  const body = Buffer.concat(entries.map((entry) => entryBytes(entry, now)));
  [0x0aceface, 2, 4, start + body.length, entries.length, seconds, seconds, 1].forEach((value, i) => header.writeUInt32LE(value, 4 * i));
  header.writeBigUInt64LE(0x1122334455667788n, 32);
  [...offsets, start].forEach((value, i) => header.writeUInt32LE(value, 40 + 4 * i));
  return Buffer.concat([header, ...texts, body]);
}

function entryBytes(entry: Entry, now: number): Buffer {
  const { host, client = "192.0.2.1", result = "hit", size = 1000, path = "/", type = "text/html" } = entry;
  const payload = Buffer.concat([
    int(now),
    int(5),
    address(client),
    int(RESULT[result].charCodeAt(0)),
    int(result === "error" ? 502 : 200),
    int(size),
    text("GET"),
    text(Buffer.concat([Buffer.from("http://"), bytesOf(host), Buffer.from(path)])),
    text("-"),
    int((result === "hit" ? "1" : "2").charCodeAt(0)),
    text(result === "hit" ? "-" : host),
    text(type),
  ]);
  const header = Buffer.alloc(16);
  header.writeBigInt64LE(BigInt(Math.floor(now / 1000)), 0);
  header.writeInt32LE(Math.floor(now % 1000) * 1000, 8);
  header.writeUInt32LE(header.length + payload.length, 12);
  return Buffer.concat([header, payload]);
}

function bytesOf(text: string | Buffer): Buffer {
  return typeof text === "string" ? Buffer.from(text) : text;
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function text(value: string | Buffer): Buffer {
  const bytes = bytesOf(value);
  return Buffer.concat([bytes, Buffer.alloc(8 - (bytes.length & 7))]);
}

function address(client: string): Buffer {
  return Buffer.of(2, 0, 0, 0, ...client.split(".").map(Number));
}
