// The connection to the engine: opens `/ws`, hands on what arrives, and comes back after a loss.
//
// Waits follow truncated binary exponential backoff with a random first delay, so that the browsers of a restarted
// engine don't all return at once. Clock, chance and WebSocket are handed in; tests drive them.

import { type Hello, PROTOCOL, parseControl, openMessage, type Control, type Message, ProtocolError } from "./protocol";

/** Each wait is drawn from 0 to this, times 2 to the number of failed attempts. */
export const FIRST_WAIT = 5_000; // ms
export const MAX_EXPONENT = 5; // waits of at most 160 s
/** A connection that held this long wipes out the failed attempts before it. */
export const GOOD_AFTER = 30_000; // ms
/** An attempt without a greeting after this long has failed. */
export const GREETING_WITHIN = 10_000; // ms
/** The engine speaks at least every second: after this long without a word, the network has swallowed the connection. */
export const SILENT_AFTER = 60_000; // ms

export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  after(ms: number, run: () => void): () => void;
}

/** The part of a WebSocket that is used. */
export interface Socket {
  binaryType: string;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(text: string): void;
  close(): void;
}

export type State =
  | { phase: "connecting"; attempt: number }
  | { phase: "connected"; since: number }
  /** `attempt` is the number of the one that follows at `retryAt`. */
  | { phase: "waiting"; attempt: number; retryAt: number }
  /** The engine speaks another protocol; only a reload helps. */
  | { phase: "outdated"; reason: string };

export interface Options {
  open: () => Socket;
  clock: Clock;
  random: () => number;
  onState: (state: State) => void;
  onHello: (hello: Hello) => void;
  onControl: (control: Control) => void;
  onMessage: (message: Message) => void;
}

export class Connection {
  #socket: Socket | null = null;
  #state: State = { phase: "connecting", attempt: 1 };
  /** Attempts that failed since the last good connection. */
  #failed = 0;
  #cancel: () => void = () => {};
  #heardAt = 0;

  constructor(readonly options: Options) {}

  get state(): State {
    return this.#state;
  }

  /** Tries at once, unless connected or trying already. */
  connect(): void {
    if (this.#socket !== null || this.#state.phase === "outdated") {
      return;
    }
    this.#cancel();
    const { clock } = this.options;
    let socket: Socket;
    this.#set({ phase: "connecting", attempt: this.#failed + 1 });
    try {
      socket = this.options.open();
    } catch {
      this.#failed += 1;
      this.#wait();
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#hear(socket, event.data);
    socket.onclose = () => this.#lose(socket);
    this.#cancel = clock.after(GREETING_WITHIN, () => this.#lose(socket));
  }

  send(text: string): void {
    if (this.#state.phase === "connected") {
      this.#socket?.send(text);
    }
  }

  #hear(socket: Socket, data: unknown): void {
    if (socket !== this.#socket) {
      return;
    }
    this.#heardAt = this.options.clock.now();
    try {
      if (typeof data === "string") {
        const control = parseControl(data);
        if (control?.type === "hello") {
          this.#greet(control.hello);
        } else if (control !== null) {
          this.options.onControl(control);
        }
      } else if (data instanceof ArrayBuffer) {
        this.options.onMessage(openMessage(new Uint8Array(data)));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.#outdated(error.message);
    }
  }

  #greet(hello: Hello): void {
    if (hello.protocol !== PROTOCOL) {
      this.#outdated(`protocol ${hello.protocol}`);
      return;
    }
    this.#cancel();
    this.#set({ phase: "connected", since: this.options.clock.now() });
    this.#watch();
    this.options.onHello(hello);
  }

  /** Looks again when the silence would have become too long. */
  #watch(): void {
    const { clock } = this.options;
    const socket = this.#socket;
    this.#cancel = clock.after(SILENT_AFTER - (clock.now() - this.#heardAt), () => {
      if (socket !== null && clock.now() - this.#heardAt >= SILENT_AFTER) {
        this.#lose(socket);
      } else {
        this.#watch();
      }
    });
  }

  #outdated(reason: string): void {
    this.#drop();
    this.#set({ phase: "outdated", reason });
  }

  #lose(socket: Socket): void {
    if (socket !== this.#socket) {
      return;
    }
    this.#drop();
    if (this.#state.phase !== "connected") {
      this.#failed += 1;
    } else if (this.options.clock.now() - this.#state.since >= GOOD_AFTER) {
      this.#failed = 0;
    }
    this.#wait();
  }

  #drop(): void {
    this.#cancel();
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
  }

  #wait(): void {
    const { clock, random } = this.options;
    const ms = random() * FIRST_WAIT * 2 ** Math.min(this.#failed, MAX_EXPONENT);
    this.#set({ phase: "waiting", attempt: this.#failed + 1, retryAt: clock.now() + ms });
    this.#cancel = clock.after(ms, () => this.connect());
  }

  #set(state: State): void {
    this.#state = state;
    this.options.onState(state);
  }
}
