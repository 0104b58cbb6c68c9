import { LRUCache } from 'lru-cache';
import type { Duration, Expr } from '../promql/ast.js';
import { ALL_FEATURES } from '../promql/features.js';
import { parse } from '../promql/parse.js';
import { visit } from '../promql/walk.js';
import type { UpstreamRequest } from './endpoint.js';
import { cut } from './extent.js';
import type { Extent } from './extent.js';
import type { SharedCache, SharedExtent } from './shared-cache.js';
import { readDuration, readTime } from './values.js';

/**
 * Answers of range queries, by what was asked of the backend: the rewritten query, in which the tenant's rules are, so that another
 * policy is another key. Kept is only what does not move any more, and given out only to the tenant for whom it was asked.
 */

export interface RangeQuestion {
  readonly tenant: string;
  readonly backend: string;
  /** As it leaves: the rewritten text and all that it depends on but its times. */
  readonly asked: string;
  readonly startMs: number;
  /** A step of the query. */
  readonly endMs: number;
  readonly stepMs: number;
}

export interface RangeCacheOptions {
  readonly maxBytes: number;
  /** Younger than this, samples may still come. */
  readonly settleMs?: number;
  /** Data may be deleted or filled in: nothing is believed for longer. */
  readonly maxAgeMs?: number;
  /** Asked for what is not known here, and told what is. */
  readonly shared?: SharedCache | undefined;
}

/** What is asked for a tenant, and where it is kept. */
export interface Memory {
  readonly cache: RangeCache;
  readonly tenant: string;
}

const SETTLE_MS = 10 * 60_000;
const MAX_AGE_MS = 60 * 60_000;
/** Of a point in memory, about. */
const POINT_BYTES = 120;

export class RangeCache {
  readonly #extents: LRUCache<string, Extent>;
  readonly #settleMs: number;
  readonly #maxAgeMs: number;
  readonly #shared: SharedCache | undefined;
  readonly results = { hit: 0, partial: 0, miss: 0 };

  constructor({ maxBytes, settleMs = SETTLE_MS, maxAgeMs = MAX_AGE_MS, shared }: RangeCacheOptions) {
    this.#settleMs = settleMs;
    this.#maxAgeMs = maxAgeMs;
    this.#shared = shared;
    this.#extents = new LRUCache({ maxSize: maxBytes, ttl: maxAgeMs, noUpdateTTL: true, sizeCalculation: (extent, key) => key.length * 2 + sizeOf(extent) });
  }

  get bytes(): number {
    return this.#extents.calculatedSize;
  }

  /** Takes what the shared cache knows, where nothing is known here. */
  async prepare(question: RangeQuestion, nowMs: number): Promise<void> {
    const key = keyOf(question);
    if (this.#shared === undefined || isBeginning(this.#extents.peek(key), question)) return;
    const found = await this.#shared.find(key);
    if (found === undefined || !isBeginning(found.extent, question) || found.untilMs <= nowMs) return;
    // As old as it is, whatever another's clock says. An entry keeps the end of its life, so what was there must go first.
    this.#extents.delete(key);
    this.#extents.set(key, found.extent, { ttl: Math.min(found.untilMs - nowMs, this.#maxAgeMs) });
  }

  /** The beginning of the answer, as far as it is known. */
  find(question: RangeQuestion): Extent | undefined {
    const known = this.#extents.get(keyOf(question));
    if (!isBeginning(known, question)) {
      this.results.miss += 1;
      return undefined;
    }
    this.results[known.toMs >= question.endMs ? 'hit' : 'partial'] += 1;
    return cut(known, question.startMs, Math.min(known.toMs, question.endMs));
  }

  /** `answer`: to all of the question. */
  keep(question: RangeQuestion, answer: Extent, nowMs: number): void {
    const { startMs, endMs, stepMs } = question;
    const settled = Math.min(endMs, startMs + Math.floor((nowMs - this.#settleMs - startMs) / stepMs) * stepMs);
    if (settled < startMs) return;
    const key = keyOf(question);
    const known = this.#extents.peek(key);
    // Whoever has asked for more before may ask for it again.
    if (known !== undefined && known.fromMs <= startMs && known.toMs >= settled) return;
    this.#extents.set(key, cut(answer, startMs, settled));
    const kept = this.#keptOf(key, nowMs);
    if (kept !== undefined) this.#shared?.keep(key, kept);
  }

  #keptOf(key: string, nowMs: number): SharedExtent | undefined {
    const extent = this.#extents.peek(key);
    return extent === undefined ? undefined : { extent, untilMs: nowMs + this.#extents.getRemainingTTL(key) };
  }
}

function isBeginning(known: Extent | undefined, { startMs }: RangeQuestion): known is Extent {
  return known !== undefined && known.fromMs <= startMs && known.toMs >= startMs;
}

/** The steps' phase is part of it: extents of different phases have no step in common. */
function keyOf({ tenant, backend, asked, startMs, stepMs }: RangeQuestion): string {
  return JSON.stringify([tenant, backend, asked, stepMs, ((startMs % stepMs) + stepMs) % stepMs]);
}

function sizeOf({ series }: Extent): number {
  return 200 + series.reduce((sum, { metric, values, histograms }) => sum + JSON.stringify(metric).length * 2 + values.length * POINT_BYTES + JSON.stringify(histograms).length * 2, 0);
}

/** The question that a request is; undefined where its answer is none to be kept. */
export function rangeQuestion({ path, parameters, policies = [] }: UpstreamRequest, tenant: string, backend: string): RangeQuestion | undefined {
  const first = (name: string): string => parameters.find(([key]) => key === name)?.[1] ?? '';
  const [startMs, lastMs, stepMs] = [readTime(first('start')), readTime(first('end')), readDuration(first('step'))];
  if (path !== '/api/v1/query_range' || first('limit') !== '' || first('stats') !== '') return undefined;
  if (startMs === undefined || lastMs === undefined || stepMs === undefined || !Number.isSafeInteger(startMs) || !Number.isSafeInteger(stepMs)) return undefined;
  const query = first('query');
  const parsed = parse(query, { maxLength: query.length, maxDepth: Infinity, features: ALL_FEATURES });
  if (!parsed.ok || !isSettling(parsed.value)) return undefined;
  const asked = JSON.stringify([parameters.filter(([name]) => !TIMES.has(name)), policies]);
  return { tenant, backend, asked, startMs, endMs: startMs + Math.floor((lastMs - startMs) / stepMs) * stepMs, stepMs };
}

const TIMES: ReadonlySet<string> = new Set(['start', 'end', 'step', 'timeout']);

/** The same request for the rest of its range. */
export function startingAt(request: UpstreamRequest, startMs: number): UpstreamRequest {
  return { ...request, parameters: request.parameters.map(([name, value]) => (name === 'start' ? [name, `${startMs / 1000}`] as const : [name, value] as const)) };
}

/** Is each step's value of its own time only, and of nothing later? */
export function isSettling(expr: Expr): boolean {
  let settling = true;
  const plain = (duration: Duration | undefined): boolean => duration === undefined || duration.kind === 'number';
  visit(expr, (node) => {
    if (node.kind === 'vector' || node.kind === 'subquery') settling &&= node.at === undefined && plain(node.offset) && !(node.offset?.kind === 'number' && node.offset.value < 0);
    if (node.kind === 'vector') settling &&= !node.anchored && !node.smoothed;
    if (node.kind === 'matrix' || node.kind === 'subquery') settling &&= plain(node.range);
    if (node.kind === 'subquery') settling &&= plain(node.step);
  });
  return settling;
}
