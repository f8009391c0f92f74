/** Bytes of the token and the schedule file: unsigned LEB128 integers, base64url, and two checksums. */

export class ByteWriter {
  private readonly bytes: number[] = [];

  byte(value: number): this {
    this.bytes.push(value & 0xff);
    return this;
  }

  /** Unsigned LEB128; `value` from 0 to 2^53 - 1. */
  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.bytes.push(rest);
    return this;
  }

  /** Big-endian, `size` bytes of an unsigned integer. */
  fixed(value: number, size: number): this {
    for (let shift = (size - 1) * 8; shift >= 0; shift -= 8) this.byte(value >>> shift);
    return this;
  }

  text(value: string): this {
    const utf8 = Buffer.from(value, 'utf8');
    this.varint(utf8.length);
    for (const byte of utf8) this.bytes.push(byte);
    return this;
  }

  get base64(): string {
    return Buffer.from(this.bytes).toString('base64url');
  }
}

/** The bytes end early, or go on too long. */
export class BytesError extends Error {
  override readonly name = 'BytesError';
}

export class ByteReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(base64: string) {
    this.bytes = Buffer.from(base64, 'base64url');
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new BytesError('it ends too early');
    return this.bytes[this.at++]!;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      if (scale > 2 ** 49) throw new BytesError('a number in it is too large');
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  fixed(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.byte();
    return value;
  }

  text(): string {
    const length = this.varint();
    if (length > this.bytes.length - this.at) throw new BytesError('it ends too early');
    const slice = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return new TextDecoder('utf-8', { fatal: true }).decode(slice);
  }

  /** @throws BytesError if bytes are left */
  end(): void {
    if (this.at !== this.bytes.length) throw new BytesError('there is more in it than belongs there');
  }
}

/** FNV-1a over the UTF-8 bytes of a text, as an unsigned 32-bit integer. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** FNV-1a folded to 16 bits. */
export const check16 = (text: string): number => (fnv1a(text) >>> 16) ^ (fnv1a(text) & 0xffff);
