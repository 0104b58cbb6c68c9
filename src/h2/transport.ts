/**
 * What a connection needs of the thing below it: room in an output buffer, and word when it takes no more for now.
 * `socket-io.ts` is the real one; tests have one in memory.
 */
export interface Transport {
  /** Where the next frame goes: valid from `reserve` until the next call of it. */
  readonly buffer: Buffer;
  /** Room for `bytes` (at most one frame) in `buffer`; returns its offset. What is reserved must be filled at once. */
  reserve(bytes: number): number;
  /** More waits than should: DATA had better wait too. `onDrain` tells when that is over. Control frames go on regardless. */
  readonly congested: boolean;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** What the thing below tells a connection. */
export interface Receiver {
  /** `bytes[start..end)` has come; valid during the call only. */
  onBytes(bytes: Buffer, start: number, end: number): void;
  onDrain(): void;
  /** The peer is gone, or we have closed; comes once, last. `error` where there was one. */
  onClose(error: Error | undefined): void;
}
