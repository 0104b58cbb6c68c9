/**
 * A body in chunks (RFC 9112 §7.1): takes what stands between them out of the memory that it was read into, so that nothing is made for
 * a chunk, of which a long answer has ten thousands.
 */

type State = 'size' | 'extension' | 'content' | 'behind' | 'trailer' | 'done';

/** More digits are no size. */
const MAX_SIZE = 2 ** 40;
/** Of one extension, or of all trailers: they say nothing that we want. */
const MAX_IDLE_BYTES = 16 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const SEMICOLON = 0x3b;

export class ChunkedBody {
  /** It is none; what comes behind is not looked at. */
  failed = false;
  private state: State = 'size';
  /** Of this chunk. */
  private left = 0;
  private digits = 0;
  private idleBytes = 0;

  /** The last chunk has come, and what stands behind it. */
  get isComplete(): boolean {
    return this.state === 'done';
  }

  /** Leaves the content only, from `start` on. Returns where it ends. */
  strip(bytes: Buffer, start: number, end: number): number {
    let to = start;
    for (let at = start; at < end && !this.failed && this.state !== 'done'; ) {
      if (this.state !== 'content') {
        this.step(bytes[at] ?? 0);
        at += 1;
        continue;
      }
      const length = Math.min(this.left, end - at);
      if (at !== to) bytes.copyWithin(to, at, at + length);
      to += length;
      at += length;
      this.left -= length;
      if (this.left === 0) this.state = 'behind';
    }
    return to;
  }

  /** One byte that is no content. */
  private step(byte: number): void {
    switch (this.state) {
      case 'size':
        if (byte === LF || byte === CR || byte === SEMICOLON) this.sized(byte);
        else this.digit(byte);
        return;
      case 'extension':
        this.idle();
        if (byte === LF) this.begin();
        return;
      case 'behind':
        if (byte === LF) this.state = 'size';
        else if (byte !== CR) this.failed = true;
        return;
      case 'trailer':
        this.idle();
        // a line without anything is the end; `left` counts what this line has
        if (byte === LF && this.left === 0) this.state = 'done';
        else if (byte === LF) this.left = 0;
        else if (byte !== CR) this.left += 1;
        return;
      case 'content':
      case 'done':
        return;
    }
  }

  private digit(byte: number): void {
    const value = HEX.indexOf(String.fromCharCode(byte).toLowerCase());
    this.left = this.left * 16 + value;
    this.digits += 1;
    this.failed = value < 0 || this.left > MAX_SIZE;
  }

  private sized(byte: number): void {
    if (this.digits === 0) this.failed = true;
    else if (byte === LF) this.begin();
    else this.state = 'extension';
  }

  private begin(): void {
    this.digits = 0;
    this.idleBytes = 0;
    this.state = this.left === 0 ? 'trailer' : 'content';
  }

  private idle(): void {
    this.idleBytes += 1;
    if (this.idleBytes > MAX_IDLE_BYTES) this.failed = true;
  }
}

const HEX = '0123456789abcdef';
