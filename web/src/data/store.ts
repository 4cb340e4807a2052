// What the page knows: the views it asked for, the model behind each, and how far the engine's counting has come.
//
// Fed by the connection, read by whoever draws; it never touches the document.

import { type Control, dropText, type Hello, type Message, Model, statusView, type StatusView, subscribeText, type Subscription, type Window, WINDOWS } from "./protocol";
import { type Changes, changesView } from "./incidents";
import { Rates } from "./rates";
import { Series } from "./series";

/** The page's numbers for its views. */
export const VIEW = { status: 1, sites: 2, clients: 3, sitesRank: 4, clientsRank: 5, matrix: 6, series: 7, changes: 8 } as const;

interface View {
  wanted: Subscription;
  /** Answers still due; they come in order, and only the last one counts. */
  pending: number;
  stream: number | null;
  /** The model that answers `wanted`, perhaps before its first snapshot. */
  model: Model | null;
  refused: string | null;
  /** Windows that the engine does not keep for this view, and what it keeps instead. */
  unkept: Map<Window, Window>;
  /** The newest model with data: that of `wanted`, or until it has some, the one before. */
  shown: Shown | null;
}

export interface Shown {
  model: Model;
  /** What the data answer. */
  of: Subscription;
  /** Grows with each snapshot: what is drawn then is another picture, not a step of the last one. */
  snapshots: number;
}

export class Store {
  hello: Hello | null = null;
  status: StatusView | null = null;
  /** What isn't as usual; null before the engine said so. */
  changes: Changes | null = null;
  readonly rates = new Rates();
  readonly series = new Series();
  /** Milliseconds since the epoch by the engine's clock in its newest message, and when it came by the page's own. */
  asOf = 0;
  heardAt: number | null = null;
  /** True from the first record of this run on: the guide gave way to the data. */
  begun = false;
  #views = new Map<number, View>();

  constructor(
    readonly send: (text: string) => void,
    readonly now: () => number,
  ) {}

  /**
   * Asks for a view, or for something else under its number. In place of a window that the engine refused before it
   * asks for one that is kept: `view(…).of` says which one the data are of.
   */
  subscribe(asked: Subscription): void {
    const view = this.#views.get(asked.view);
    const kept = asked.window && view?.unkept.get(asked.window);
    const wanted = kept === undefined ? asked : { ...asked, window: kept };
    if (view === undefined) {
      this.#views.set(wanted.view, { wanted, pending: 0, stream: null, model: null, refused: null, unkept: new Map(), shown: null });
    } else if (JSON.stringify(view.wanted) === JSON.stringify(wanted)) {
      return;
    } else {
      view.wanted = wanted;
    }
    this.#ask(wanted.view);
  }

  drop(number: number): void {
    if (this.#views.delete(number) && this.hello !== null) {
      this.send(dropText(number));
    }
  }

  /** True while the engine has yet to answer for a view: asking again would only queue up. */
  asking(number: number): boolean {
    const view = this.#views.get(number);
    return view !== undefined && (view.pending > 0 || (view.stream !== null && view.model?.ready === false));
  }

  refused(number: number): string | null {
    return this.#views.get(number)?.refused ?? null;
  }

  /** The newest data of a view and what they answer; null before the first. */
  view(number: number): Shown | null {
    return this.#views.get(number)?.shown ?? null;
  }

  onHello(hello: Hello): void {
    const restarted = this.hello !== null && this.hello.start !== hello.start;
    this.hello = hello;
    this.asOf = hello.now * 1000;
    if (restarted) {
      this.status = null;
      this.changes = null;
      this.begun = false;
      this.rates.reset();
      this.series.reset();
    }
    for (const [number, view] of this.#views) {
      view.pending = 0;
      view.unkept.clear();
      view.shown = restarted ? null : view.shown;
      this.#ask(number);
    }
  }

  onControl(control: Control): void {
    const view = control.type === "stream" || control.type === "refused" ? this.#views.get(control.view) : undefined;
    if (view === undefined) {
      return;
    }
    view.pending = Math.max(0, view.pending - 1);
    if (view.pending > 0) {
      return;
    }
    if (control.type === "refused") {
      this.#onRefused(view, control.reason, control.allowed);
    } else if (control.type === "stream") {
      view.refused = null;
      view.stream = control.stream;
      view.model = this.#modelOf(control.stream, view) ?? new Model(view.wanted.kind);
    }
  }

  /** Takes one message; throws `ProtocolError` for bytes that are none. */
  onMessage(message: Message): void {
    this.heardAt = this.now();
    this.asOf = Math.max(message.asOf, this.asOf);
    const views = [...this.#views.values()].filter((view) => view.stream === message.stream);
    const model = views[0]?.model;
    if (model === undefined || model === null) {
      return;
    }
    const outcome = model.apply(message);
    for (const view of views) {
      if (outcome === "gap") {
        this.#again(view.wanted.view);
      } else if (outcome === "applied") {
        const before = view.shown?.snapshots ?? 0;
        if (model.kind === "series") {
          this.series.take(view.wanted.window ?? "total", model, message.snapshot);
        }
        view.shown = { model, of: view.wanted, snapshots: before + (message.snapshot ? 1 : 0) };
      }
    }
    if (outcome === "applied" && model.kind === "changes") {
      this.changes = changesView(model);
    }
    if (outcome === "applied" && model.kind === "status") {
      this.#onStatus(statusView(model));
    }
  }

  /** A window that is not kept gives way to one that is: since start, if there is a choice. */
  #onRefused(view: View, reason: string, allowed: readonly string[]): void {
    const { window } = view.wanted;
    const kept = WINDOWS.findLast((name) => allowed.includes(name));
    view.refused = reason;
    if (window !== undefined && kept !== undefined && !allowed.includes(window)) {
      view.unkept.set(window, kept);
      this.subscribe(view.wanted);
    }
  }

  #onStatus(status: StatusView): void {
    this.status = status;
    this.begun ||= status.received > 0 || status.nodesKnown > 0;
    this.rates.add(status);
  }

  #ask(number: number): void {
    const view = this.#views.get(number);
    if (view === undefined || this.hello === null) {
      return;
    }
    view.stream = null;
    view.model = null;
    view.pending += 1;
    this.send(subscribeText(view.wanted));
  }

  /** A delta is missing: lets go of the view and begins anew. */
  #again(number: number): void {
    this.send(dropText(number));
    this.#ask(number);
  }

  /** Another view's model of the same stream. */
  #modelOf(stream: number, except: View): Model | null {
    for (const view of this.#views.values()) {
      if (view !== except && view.stream === stream && view.model !== null) {
        return view.model;
      }
    }
    return null;
  }
}
