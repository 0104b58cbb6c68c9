import type { Series } from './series.js';

/**
 * What waits to be sent, in order. Counted in samples, because that is what memory and batches are bounded by; a batch is cut by
 * count and by bytes, whichever comes first.
 */

export interface BatchLimits {
  readonly maxSamples: number;
  /** Of the request before it is packed; estimated from above. */
  readonly maxBytes: number;
}

export class SeriesQueue {
  private items: Series[] = [];
  private first = 0;
  private samples_ = 0;
  private bytes_ = 0;

  /** Samples, native histograms included. */
  get samples(): number {
    return this.samples_;
  }

  get isEmpty(): boolean {
    return this.first === this.items.length;
  }

  /** Whether a batch would be cut by a limit rather than by the end of the queue. */
  isFull({ maxSamples, maxBytes }: BatchLimits): boolean {
    return this.samples_ >= maxSamples || this.bytes_ >= maxBytes;
  }

  add(series: Series): void {
    this.items.push(series);
    this.samples_ += sampleCount(series);
    this.bytes_ += estimatedBytes(series);
  }

  /** The next batch, without what is older than `oldestMs`; a series that is over a limit alone goes alone. */
  take({ maxSamples, maxBytes }: BatchLimits, oldestMs: number): { readonly batch: readonly Series[]; readonly tooOld: number } {
    const batch: Series[] = [];
    let samples = 0;
    let bytes = 0;
    let tooOld = 0;
    for (let next = this.items[this.first]; next !== undefined; next = this.items[this.first]) {
      const itsSamples = sampleCount(next);
      const itsBytes = estimatedBytes(next);
      const isOld = newestMs(next) < oldestMs;
      if (!isOld && batch.length > 0 && (samples + itsSamples > maxSamples || bytes + itsBytes > maxBytes)) break;
      this.first += 1;
      this.samples_ -= itsSamples;
      this.bytes_ -= itsBytes;
      if (isOld) {
        tooOld += itsSamples;
        continue;
      }
      batch.push(next);
      samples += itsSamples;
      bytes += itsBytes;
    }
    this.compact();
    return { batch, tooOld };
  }

  private compact(): void {
    if (this.first * 2 < this.items.length) return;
    this.items = this.items.slice(this.first);
    this.first = 0;
  }
}

export function sampleCount({ samples, histograms }: Series): number {
  return samples.length + histograms.length;
}

function newestMs({ samples, histograms }: Series): number {
  return Math.max(samples.at(-1)?.timestampMs ?? -Infinity, histograms.at(-1)?.timestampMs ?? -Infinity);
}

const SAMPLE_BYTES = 24;
const LABEL_BYTES = 8;

/** From above, for either version: UTF-8 takes at most three bytes for a unit of UTF-16. */
function estimatedBytes({ labels, samples, histograms, exemplars, metadata }: Series): number {
  let bytes = 16 + samples.length * SAMPLE_BYTES;
  for (const { name, value } of labels) bytes += LABEL_BYTES + (name.length + value.length) * 3;
  for (const exemplar of exemplars) {
    bytes += SAMPLE_BYTES;
    for (const { name, value } of exemplar.labels) bytes += LABEL_BYTES + (name.length + value.length) * 3;
  }
  for (const { positiveSpans, positiveBuckets, negativeSpans, negativeBuckets, customValues } of histograms) {
    bytes += 128 + (positiveSpans.length + negativeSpans.length) * 16 + (positiveBuckets.length + negativeBuckets.length + customValues.length) * 10;
  }
  return bytes + (metadata === undefined ? 0 : 24 + (metadata.help.length + metadata.unit.length) * 3);
}
