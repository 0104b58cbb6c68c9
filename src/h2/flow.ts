import { DEFAULT_WINDOW_BYTES } from './frames.js';

/**
 * The connection's window for receiving (RFC 9113 §6.9). It is this hop's own affair, unlike the streams' windows, which the
 * hub passes through: it must be large against theirs, or a few slow streams stall the rest (facts/h2-switch.md, trap 7).
 *
 * Bytes count as taken when they come and are credited when they have moved on; credit is told to the peer in large pieces.
 */
export class ReceiveWindow {
  readonly #size: number;
  #left = DEFAULT_WINDOW_BYTES;
  #credit = 0;

  /** `size`: bytes that may be on their way or in our hands. */
  constructor(size: number) {
    this.#size = size;
  }

  /** What the very first WINDOW_UPDATE must grant to get from the protocol's default to our size; 0: nothing. */
  open(): number {
    const grant = Math.max(0, this.#size - DEFAULT_WINDOW_BYTES);
    this.#left += grant;
    return grant;
  }

  /** Books received bytes. False: the peer has overrun the window. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** Books bytes that have moved on. Returns the WINDOW_UPDATE that is due, or 0 while the credit is small. */
  credit(bytes: number): number {
    this.#credit += bytes;
    if (this.#credit * 2 < this.#size) return 0;
    const due = this.#credit;
    this.#credit = 0;
    this.#left += due;
    return due;
  }
}
