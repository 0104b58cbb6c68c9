import { Duplex, Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';

/** A stream that can be frozen in both directions, as by SIGSTOP: it stays open, takes what fits, and nothing moves. */
export interface Gate {
  readonly stream: Duplex;
  freeze(): void;
  thaw(): void;
}

class Valve extends Transform {
  #frozen = false;
  #held: (() => void) | undefined;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#frozen) this.#held = () => done(null, chunk);
    else done(null, chunk);
  }

  set frozen(frozen: boolean) {
    this.#frozen = frozen;
    if (frozen) return;
    this.#held?.();
    this.#held = undefined;
  }
}

export function gateOn(inner: Duplex): Gate {
  const valves = [new Valve(), new Valve()] as const;
  inner.pipe(valves[0]);
  valves[1].pipe(inner);
  const set = (frozen: boolean): void => valves.forEach((valve) => (valve.frozen = frozen));
  const stream = Duplex.from({ readable: valves[0], writable: valves[1] });
  stream.on('error', () => {});
  inner.once('close', () => stream.destroy());
  return { stream, freeze: () => set(true), thaw: () => set(false) };
}
