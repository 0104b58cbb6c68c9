import type { Logger } from '../lib/logger.js';
import type { Matcher } from '../promql/ast.js';
import { printMatcher } from '../promql/print.js';
import type { Exemplar, Label } from '../remotewrite/series.js';
import { isRecord } from './json.js';
import { packLabels } from './shape.js';
import type { PackedLabels } from './shape.js';
import type { Source } from './source.js';

/**
 * Exemplars of the series that are exported. They travel with samples of their series, because a receiver of 2.0 takes none alone; one whose
 * series has no new sample waits for the next time.
 */

const MAX_EXEMPLARS = 10_000;
const MAX_REMEMBERED = 100_000;

export class Exemplars {
  private found = new Map<PackedLabels, readonly Exemplar[]>();
  /** Time of the last one that was sent. */
  private readonly sent = new Map<PackedLabels, number>();

  constructor(
    private readonly source: Source,
    private readonly logger: Logger,
  ) {}

  /** Asks for those of this span of time. An export goes on without. */
  async fetch(rules: readonly (readonly Matcher[])[], startMs: number, endMs: number, signal: AbortSignal): Promise<void> {
    this.found = new Map();
    try {
      const query = rules.map((matchers) => `{${matchers.map(printMatcher).join(',')}}`).join(' or ');
      const data = await this.source.json('/api/v1/query_exemplars', { query, start: String(startMs / 1000), end: String(endMs / 1000) }, signal);
      this.remember(data);
    } catch (error) {
      this.logger.info({ err: error }, 'the backend does not tell exemplars');
    }
  }

  /** There are none to be taken. */
  get isEmpty(): boolean {
    return this.found.size === 0;
  }

  /** Those of a series, by its labels at the source; each is given once. */
  take(labels: PackedLabels): readonly Exemplar[] {
    const after = this.sent.get(labels) ?? -Infinity;
    const exemplars = (this.found.get(labels) ?? []).filter(({ timestampMs }) => timestampMs > after);
    this.found.delete(labels);
    const last = exemplars.at(-1);
    if (last !== undefined) {
      if (this.sent.size >= MAX_REMEMBERED) this.sent.clear();
      this.sent.set(labels, last.timestampMs);
    }
    return exemplars;
  }

  private remember(data: unknown): void {
    let left = MAX_EXEMPLARS;
    for (const item of Array.isArray(data) ? data : []) {
      if (!isRecord(item) || !Array.isArray(item['exemplars'])) continue;
      const exemplars = item['exemplars'].flatMap((each) => exemplarOf(each) ?? []).toSorted((a, b) => a.timestampMs - b.timestampMs);
      left -= exemplars.length;
      if (left < 0) return;
      this.found.set(packLabels(labelsOf(item['seriesLabels'])), exemplars);
    }
  }
}

function exemplarOf(value: unknown): Exemplar | undefined {
  if (!isRecord(value) || typeof value['timestamp'] !== 'number') return undefined;
  return { labels: labelsOf(value['labels']), value: Number(value['value']), timestampMs: Math.round(value['timestamp'] * 1000) };
}

function labelsOf(value: unknown): readonly Label[] {
  return Object.entries(isRecord(value) ? value : {}).flatMap(([name, text]) => (typeof text === 'string' ? [{ name, value: text }] : []));
}
