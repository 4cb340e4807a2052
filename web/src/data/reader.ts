// Numbers and texts from bytes: the varints, zigzag numbers and texts that messages of the live stream are made of.
//
// What they mean is in `protocol.ts`; how they are written is in section 3 of `src/page/stream.md`.

/** Bytes or text that are not of this protocol; `at` counts from the message's first byte. */
export class ProtocolError extends Error {
  constructor(
    readonly reason: string,
    readonly at = 0,
  ) {
    super(`${reason} at byte ${at}`);
  }
}

/** Numbers and texts, in their order on the wire. Every read ends inside the bytes or throws. */
export class Reader {
  #at = 0;
  static readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(readonly bytes: Uint8Array) {}

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.bytes.length - this.#at;
  }

  /** *v*: unsigned, at most 64 bits in at most 10 bytes. */
  varint(): bigint {
    const start = this.#at;
    let low = 0; // the first 49 bits, which a double holds exactly
    let high = 0n;
    for (let n = 0; n < 10; n += 1) {
      const byte = this.bytes[this.#at];
      if (byte === undefined) {
        throw new ProtocolError("a number cut short", start);
      }
      this.#at += 1;
      if (n < 7) {
        low += (byte & 0x7f) * 2 ** (7 * n);
      } else {
        high |= BigInt(byte & 0x7f) << BigInt(7 * n);
      }
      if (byte < 0x80) {
        const value = BigInt(low) | high;
        if (value > MAX_U64) {
          throw new ProtocolError("a number over 64 bits", start);
        }
        return value;
      }
    }
    throw new ProtocolError("a number over 10 bytes", start);
  }

  /** *z*: signed, zigzag coded. */
  zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  /** A *v* that the page counts or indexes with. */
  int(): number {
    const start = this.#at;
    const value = Number(this.varint());
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new ProtocolError("a number too large to count with", start);
    }
    return value;
  }

  /** How many items follow. Each takes at least `size` bytes, so a lying count cannot make the page allocate. */
  count(size = 1): number {
    const start = this.#at;
    const count = this.int();
    if (count * size > this.left) {
      throw new ProtocolError(`a count of ${count} with ${this.left} bytes left`, start);
    }
    return count;
  }

  /** An index below `limit`. */
  index(limit: number, value = this.int()): number {
    if (value >= limit) {
      throw new ProtocolError(`index ${value} of at most ${limit}`, this.#at);
    }
    return value;
  }

  text(): string {
    const start = this.#at;
    const length = this.count();
    this.#at += length;
    try {
      return Reader.#utf8.decode(this.bytes.subarray(this.#at - length, this.#at));
    } catch {
      throw new ProtocolError("text that is not UTF-8", start);
    }
  }

  end(): void {
    if (this.left > 0) {
      throw new ProtocolError(`${this.left} bytes after the end`, this.#at);
    }
  }
}

const MAX_U64 = 0xffff_ffff_ffff_ffffn;
