/** A request after enforcement: what goes to the backend, and what does not. */
export interface Enforced {
  /** Not yet packed. */
  readonly body: Buffer;
  /** In `body`. */
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  /** Metadata of their own (version 1). */
  readonly metadata: number;
  /** Series that were taken out, and why the first one was. */
  readonly refused: number;
  readonly why: string | undefined;
}

/** Counts while the request is walked. */
export class Tally {
  series = 0;
  samples = 0;
  histograms = 0;
  exemplars = 0;
  metadata = 0;
  refused = 0;
  why: string | undefined = undefined;

  refuse(why: string): void {
    this.refused += 1;
    this.why ??= why;
  }

  with(body: Buffer): Enforced {
    const { series, samples, histograms, exemplars, metadata, refused, why } = this;
    return { body, series, samples, histograms, exemplars, metadata, refused, why };
  }
}
