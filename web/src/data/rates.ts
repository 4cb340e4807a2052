// Rates and their recent past, from the differences between counts in status messages.

import type { StatusView } from "./protocol";

/** Traffic Server hands over its log in bursts up to this far apart, so a rate over less would jump. */
const OVER = 10_000; // ms
/** The sparkline covers ten minutes in steps of ten seconds. */
const STEP = 10_000; // ms
const STEPS = 60;
/** How long a growing count of rejections is news. */
const NEWS = 60_000; // ms

interface Sample {
  at: number;
  received: number;
  bytes: number;
  rejected: number;
}

export class Rates {
  /** The last ten seconds, oldest first, and one sample before them. */
  #samples: Sample[] = [];
  /** Counts at the steps' ends, as a ring: `#steps` of them, the newest at `(#steps - 1) % STEPS`. */
  #ends = new Float64Array(STEPS + 1);
  #steps = 0;
  #nextStep = 0;
  #rejectedGrewAt: number | null = null;

  reset(): void {
    this.#samples = [];
    this.#steps = 0;
    this.#rejectedGrewAt = null;
  }

  add(status: StatusView): void {
    const at = status.asOf;
    const rejected = status.rejectedConnections + status.rejectedSegments;
    let last = this.#samples.at(-1);
    if (last !== undefined && (at < last.at || status.received < last.received)) {
      this.reset();
      last = undefined;
    }
    if (last !== undefined && rejected > last.rejected) {
      this.#rejectedGrewAt = at;
    }
    if (last !== undefined && at === last.at) {
      this.#samples.pop();
    }
    this.#samples.push({ at, received: status.received, bytes: status.streamBytes, rejected });
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) <= at - OVER) {
      this.#samples.shift();
    }
    if (this.#steps === 0) {
      this.#nextStep = at;
    }
    // A pause of the stream leaves steps between two counts: they share the difference evenly.
    const from = last?.received ?? status.received;
    const began = last?.at ?? at;
    while (this.#nextStep <= at) {
      const part = at > began ? Math.max(0, (this.#nextStep - began) / (at - began)) : 1;
      this.#ends[this.#steps % (STEPS + 1)] = from + part * (status.received - from);
      this.#steps += 1;
      this.#nextStep = Math.max(this.#nextStep + STEP, at - STEPS * STEP);
    }
  }

  /** Records per second; null before two counts. */
  get records(): number | null {
    return this.#rate((sample) => sample.received);
  }

  /** Bytes of log stream per second. */
  get bytes(): number | null {
    return this.#rate((sample) => sample.bytes);
  }

  /** Records per second in each complete step of the last ten minutes, oldest first. */
  get history(): number[] {
    const held = Math.min(this.#steps, STEPS + 1);
    const end = (back: number): number => this.#ends[(this.#steps - 1 - back) % (STEPS + 1)] ?? 0;
    return Array.from({ length: Math.max(0, held - 1) }, (_, i) => {
      const back = held - 2 - i;
      return ((end(back) - end(back + 1)) * 1000) / STEP;
    });
  }

  /** Whether something was rejected within the last minute. */
  rejectedLately(asOf: number): boolean {
    return this.#rejectedGrewAt !== null && asOf - this.#rejectedGrewAt < NEWS;
  }

  #rate(of: (sample: Sample) => number): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) {
      return null;
    }
    return ((of(last) - of(first)) * 1000) / (last.at - first.at);
  }
}
