// The connection: when it tries, how long it waits, what it hands on. Clock, chance and WebSocket are the test's.

import { beforeEach, describe, expect, it } from "vitest";
import { Connection, FIRST_WAIT, GOOD_AFTER, GREETING_WITHIN, SILENT_AFTER, type Socket, type State } from "../src/data/socket";
import { message } from "./encode";

const HELLO = JSON.stringify({ hello: { version: "0.1.0", protocol: 1, start: "a", now: 1, name: "n" } });

class Timers {
  time = 0;
  #due: { at: number; run: () => void }[] = [];
  clock = {
    now: () => this.time,
    after: (ms: number, run: () => void) => {
      const timer = { at: this.time + ms, run };
      this.#due.push(timer);
      return () => {
        this.#due = this.#due.filter((other) => other !== timer);
      };
    },
  };

  /** Lets time pass and runs what falls due. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#due.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) {
        break;
      }
      this.#due = this.#due.filter((timer) => timer !== next);
      this.time = next.at;
      next.run();
    }
    this.time = end;
  }
}

class FakeSocket implements Socket {
  binaryType = "";
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  sent: string[] = [];
  closed = false;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  hear(data: unknown): void {
    this.onmessage?.({ data });
  }
}

let timers: Timers;
let sockets: FakeSocket[];
let states: State[];
let heard: string[];
let chance: number;
let connection: Connection;
const last = (): FakeSocket => sockets.at(-1) as FakeSocket;
const wait = (): number => (connection.state.phase === "waiting" ? connection.state.retryAt - timers.time : NaN);

beforeEach(() => {
  timers = new Timers();
  [sockets, states, heard, chance] = [[], [], [], 1];
  connection = new Connection({
    open: () => {
      sockets.push(new FakeSocket());
      return last();
    },
    clock: timers.clock,
    random: () => chance,
    onState: (state) => states.push(state),
    onHello: (hello) => heard.push(`hello ${hello.start}`),
    onControl: (control) => heard.push(control.type),
    onMessage: (message) => heard.push(`message ${message.stream}`),
  });
  connection.connect();
});

describe("reconnecting", () => {
  it("waits from 0 to 5 s the first time, wherever chance falls", () => {
    for (const [drawn, ms] of [[0, 0], [0.5, FIRST_WAIT / 2], [1, FIRST_WAIT]] as const) {
      chance = drawn;
      last().hear(HELLO);
      last().onclose?.();
      expect(wait()).toBe(ms);
      timers.pass(ms);
      expect(connection.state.phase).toBe("connecting");
    }
  });

  it("doubles the bound with each failed attempt, to 160 s at most", () => {
    last().hear(HELLO);
    last().onclose?.();
    for (const bound of [5, 10, 20, 40, 80, 160, 160, 160]) {
      expect(wait()).toBe(bound * 1000);
      timers.pass(wait());
      last().onclose?.();
    }
    expect(states.at(-1)).toMatchObject({ phase: "waiting", attempt: 9 });
  });

  it("forgets failed attempts after 30 s of good connection, not sooner", () => {
    last().onclose?.();
    timers.pass(wait());
    last().hear(HELLO);
    timers.pass(GOOD_AFTER - 1);
    last().onclose?.();
    expect(wait()).toBe(10_000);
    timers.pass(wait());
    last().hear(HELLO);
    timers.pass(GOOD_AFTER);
    last().onclose?.();
    expect(wait()).toBe(5_000);
  });

  it("tries at once when told to, and never holds two sockets", () => {
    last().onclose?.();
    connection.connect();
    expect([sockets.length, connection.state.phase]).toEqual([2, "connecting"]);
    connection.connect();
    timers.pass(5_000);
    expect(sockets.length).toBe(2);
    last().hear(HELLO);
    connection.connect();
    expect(sockets.length).toBe(2);
  });

  it("gives up on an attempt without a greeting", () => {
    timers.pass(GREETING_WITHIN);
    expect([last().closed, connection.state.phase]).toEqual([true, "waiting"]);
  });

  it("lets go of a connection that fell silent, and keeps one that speaks", () => {
    last().hear(HELLO);
    for (let n = 0; n < 5; n += 1) {
      timers.pass(SILENT_AFTER / 2);
      last().hear('{"news":1}');
    }
    expect(connection.state.phase).toBe("connected");
    timers.pass(SILENT_AFTER);
    expect([last().closed, connection.state.phase]).toEqual([true, "waiting"]);
  });

  it("hears nothing from a socket it left", () => {
    const left = last();
    timers.pass(GREETING_WITHIN);
    left.hear(HELLO);
    expect([heard, connection.state.phase]).toEqual([[], "waiting"]);
  });
});

describe("what arrives", () => {
  it("is handed on, and what is sent before the greeting is not sent", () => {
    connection.send("early");
    last().hear(HELLO);
    connection.send("now");
    last().hear('{"view":1,"stream":4}');
    last().hear(message({ stream: 4, seq: 1 }).buffer);
    expect(heard).toEqual(["hello a", "stream", "message 4"]);
    expect([last().sent, last().binaryType]).toEqual([["now"], "arraybuffer"]);
  });

  it.each([
    ["another protocol", HELLO.replace('"protocol":1', '"protocol":2')],
    ["text that is not JSON", "{"],
    ["bytes that are no message", new Uint8Array([9, 9]).buffer],
  ])("ends the connection for good: %s", (_, data) => {
    last().hear(data);
    expect([connection.state.phase, last().closed]).toEqual(["outdated", true]);
    connection.connect();
    timers.pass(1_000_000);
    expect(sockets.length).toBe(1);
  });
});
