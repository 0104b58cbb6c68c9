/**
 * One scrape at the agent: from the stream that the hub opened to the target and back.
 *
 * The one idea: a scrape ends exactly once, in `finish`, whoever ends it first: the target (answered, failed), the deadline, or the
 * hub (reset). Before the answer's head is out a failure is a status with a reason; after it the stream is reset, so that
 * Prometheus fails the scrape instead of taking a part of it (facts/prometheus-scrape.md §5). The deadline runs until the last byte
 * has left: a hub that stops reading holds nothing for longer.
 */
import type { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { REASON_HEADER, reasonBody, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { TIMEOUT_HEADER } from '../tunnel/streams.js';
import { isPathAllowed } from './allow-list.js';
import type { Reach } from './allow-list.js';
import { createFilteredBody } from './filter/filtered-body.js';
import type { FilteredBody, FilterStats } from './filter/filtered-body.js';
import type { CompiledFilter } from './filter/metric-filter.js';
import { acceptFilterable, headersFromTarget, headersToTarget } from './headers.js';
import type { ResponseHeaders } from './headers.js';
import type { HttpMethod, TargetSpec } from '../model/agent-settings.js';
import type { TargetPool } from './target-client.js';
import { targetReason } from './target-error.js';
import type { TunnelStream } from './tunnel-stream.js';

/** A target with its connections. */
export interface LiveTarget {
  readonly spec: TargetSpec;
  readonly pool: TargetPool;
  readonly reach: Reach;
  /** Undefined = the body passes untouched. */
  readonly filter: CompiledFilter | undefined;
}

/** How a scrape ended: `ok`, a reason, or that the hub did not want it any more. */
export type Outcome = 'ok' | 'cancelled' | Reason;

export interface ScrapeRecord {
  /** Undefined when the target was not known. */
  readonly target: string | undefined;
  readonly outcome: Outcome;
  readonly durationMs: number;
  readonly bodyBytes: number;
  /** Undefined where nothing was filtered. */
  readonly filtered: FilterStats | undefined;
}

export interface ScrapeDeps {
  readonly findTarget: (name: string) => LiveTarget | undefined;
  /** Whether one more scrape may start. */
  readonly hasRoom: () => boolean;
  readonly onEnd: (record: ScrapeRecord) => void;
}

/** When the hub names no deadline (it always does). */
const DEFAULT_TIMEOUT_MS = 10_000;
/** What a timer can hold; a longer one would fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** The agent's answer must reach the hub before the hub's own deadline: a twentieth of it, at least this. */
const MIN_MARGIN_MS = 50;
const MAX_MARGIN_MS = 500;

/** Answers one scrape stream. `received` is its header list, flat, names in lower case. Never throws. */
export function serveScrape(stream: TunnelStream, received: readonly string[], deps: ScrapeDeps): void {
  const startedMs = performance.now();
  // Node resets a stream (NO_ERROR) whose request nobody has read as soon as our side is written, and with it the end of a
  // body that still waits for the hub's window.
  stream.resume();
  const request = readRequest(received);
  const live = deps.findTarget(request.authority);
  const scrape = new Scrape(stream, startedMs, live?.spec.target.name, deps.onEnd);
  const refusal = refuse(request, live, deps.hasRoom());
  if (refusal !== undefined || live === undefined) return scrape.fail(refusal ?? 'target_unknown');
  scrape.run(live, { ...request, method: request.method === 'HEAD' ? 'HEAD' : 'GET' }, received);
}

export interface ScrapeRequest {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly timeoutMs: number;
}

/** What a stream of the hub's asks for; of CONNECT, the target and the time for an answer. */
export function readRequest(received: readonly string[]): ScrapeRequest {
  const value = (name: string): string => {
    const at = received.indexOf(name);
    return at === -1 ? '' : (received[at + 1] ?? '');
  };
  const timeoutMs = Number(value(TIMEOUT_HEADER));
  return {
    method: value(':method'),
    authority: value(':authority'),
    path: value(':path'),
    timeoutMs: Number.isFinite(timeoutMs) && timeoutMs > 0 ? Math.min(timeoutMs, MAX_TIMEOUT_MS) : DEFAULT_TIMEOUT_MS,
  };
}

/** How long the target may take, ms, so that the answer reaches the hub within its own deadline. */
export function budgetMs(request: ScrapeRequest, spec: Pick<TargetSpec, 'timeoutMs'>): number {
  const marginMs = Math.min(MAX_MARGIN_MS, Math.max(MIN_MARGIN_MS, request.timeoutMs / 20));
  return Math.max(1, Math.min(request.timeoutMs - marginMs, spec.timeoutMs ?? Infinity));
}

/** Answers with a reason instead of the target. Only while no head is out. */
export function answerReason(stream: TunnelStream, reason: Reason): void {
  stream.respond({ ':status': String(REASONS[reason].status), 'content-type': 'text/plain; charset=utf-8', [REASON_HEADER]: reason });
  stream.end(reasonBody(reason));
}

function refuse(request: ScrapeRequest, live: LiveTarget | undefined, hasRoom: boolean): Reason | undefined {
  if (live === undefined) return 'target_unknown';
  if (request.method !== 'GET' && request.method !== 'HEAD') return 'agent_denied';
  if (live.reach.denied || !isPathAllowed(live.spec, request.path)) return 'agent_denied';
  return hasRoom ? undefined : 'agent_overloaded';
}

/** What a request is sent to. */
export interface Callee {
  readonly spec: Pick<TargetSpec, 'timeoutMs' | 'maxBodyBytes' | 'headers'>;
  readonly pool: TargetPool;
  readonly filter: CompiledFilter | undefined;
}

/**
 * One exchange with a target, or with a service (service.ts). A class because its state is shared by the callbacks of three parties: the
 * stream, the HTTP client and the timer. Who makes it sees to it that the request's body is read.
 */
export class Scrape {
  readonly #stream: TunnelStream;
  readonly #startedMs: number;
  readonly #target: string | undefined;
  readonly #onEnd: (record: ScrapeRecord) => void;
  #timer: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #bodyBytes = 0;
  #maxBodyBytes = Infinity;
  #finished = false;
  /** Between target and hub, where the target has a filter. */
  #filtered: FilteredBody | undefined;
  /** The target has answered all of it; what is left is to hand it to the hub. */
  #answered = false;

  constructor(stream: TunnelStream, startedMs: number, target: string | undefined, onEnd: (record: ScrapeRecord) => void) {
    this.#stream = stream;
    this.#startedMs = startedMs;
    this.#target = target;
    this.#onEnd = onEnd;
    // an error is always followed by 'close', where it is dealt with; unhandled it would end the process
    stream.on('error', () => undefined);
    stream.on('close', () => this.#finish(this.#answered && stream.rstCode === 0 ? 'ok' : 'cancelled'));
  }

  /** A request with a body is sent once, one without as often as its method allows. */
  run({ spec, pool, filter }: Callee, request: ScrapeRequest & { readonly method: HttpMethod }, received: readonly string[], body?: Readable): void {
    const timeoutMs = budgetMs(request, spec);
    this.#maxBodyBytes = spec.maxBodyBytes ?? Infinity;
    this.#timer = setTimeout(() => this.fail('target_timeout'), timeoutMs);
    this.#stream.on('drain', () => (this.#filtered === undefined ? this.#controller?.resume() : this.#filtered.resume()));
    const headers = headersToTarget(received, spec.headers, timeoutMs);
    this.#dispatch(pool.get(), {
      method: request.method,
      path: request.path,
      headers: [...(filter === undefined ? headers : acceptFilterable(headers)), ...(body === undefined ? [] : lengthOf(received))],
      body: body ?? null,
      reset: false,
    }, filter, request.method === 'GET' || request.method === 'HEAD');
  }

  #dispatch(pool: Pool, options: Dispatcher.DispatchOptions, filter: CompiledFilter | undefined, mayRetry: boolean): void {
    let answered = false;
    pool.dispatch(options, {
      onRequestStart: (controller) => {
        this.#controller = controller;
        if (this.#finished) controller.abort(new Error('the scrape has ended'));
      },
      onResponseStart: (controller, status, _headers, _message) => {
        if (status < 200) return;
        answered = true;
        const headers = headersFromTarget(rawList(controller.rawHeaders));
        if (filter !== undefined && status === 200 && options.method !== 'HEAD') this.#answerFiltered(filter, headers);
        else this.#answer(status, headers, options.method === 'HEAD');
      },
      onResponseData: (controller, chunk) => {
        if (this.#finished) return;
        this.#bodyBytes += chunk.length;
        if (this.#bodyBytes > this.#maxBodyBytes) return this.fail('target_too_large');
        const goOn = this.#filtered === undefined ? this.#stream.write(chunk) : this.#filtered.write(chunk);
        if (!goOn) controller.pause();
      },
      onResponseEnd: (controller, _trailers) => {
        if (this.#filtered === undefined) this.#end(headersFromTarget(rawList(controller.rawTrailers)));
        else this.#filtered.end();
      },
      onResponseError: (_controller, error) => {
        const reason = targetReason(error);
        // a kept connection that the target closed at this very moment: GET is safe to send again (RFC 9110 §9.2.2), once
        if (mayRetry && !answered && !this.#finished && reason === 'target_reset') return this.#dispatch(pool, options, filter, false);
        this.fail(reason);
      },
    });
  }

  #answer(status: number, headers: ResponseHeaders, isHead: boolean): void {
    if (this.#finished || this.#stream.closed) return;
    const length = Number(headers['content-length']);
    if (!isHead && length > this.#maxBodyBytes) return this.fail('target_too_large');
    try {
      // trailers cost a frame more: only where the target announced some
      this.#stream.respond({ ':status': String(status), ...headers }, { waitForTrailers: headers['trailer'] !== undefined });
    } catch {
      // a header that HTTP/2 cannot carry (a control character in a value)
      this.fail('target_garbage');
    }
  }

  #answerFiltered(filter: CompiledFilter, headers: ResponseHeaders): void {
    if (this.#finished || this.#stream.closed) return;
    this.#filtered = createFilteredBody(filter, headers, {
      onHead: (head) => this.#answer(200, head, false),
      onData: (chunk) => this.#finished || this.#stream.write(chunk),
      onDrain: () => this.#controller?.resume(),
      onEnd: () => this.#end({}),
      onFail: (reason) => this.fail(reason),
    });
    if (this.#filtered === undefined) this.fail('target_unfilterable');
  }

  #end(trailers: ResponseHeaders): void {
    if (this.#finished) return;
    this.#stream.once('wantTrailers', () => {
      try {
        this.#stream.sendTrailers(trailers);
      } catch {
        breakOff(this.#stream);
      }
    });
    this.#answered = true;
    this.#stream.end();
  }

  /** Ends the scrape with a reason: as an answer while that is possible, else by breaking the stream. */
  fail(reason: Reason): void {
    if (this.#finished) return;
    this.#finish(reason);
    if (this.#stream.destroyed || this.#stream.closed) return;
    if (this.#stream.headersSent) return breakOff(this.#stream);
    answerReason(this.#stream, reason);
  }

  #finish(outcome: Outcome): void {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#timer);
    this.#filtered?.destroy();
    if (outcome !== 'ok') this.#controller?.abort(new Error(`the scrape ended: ${outcome}`));
    this.#onEnd({ target: this.#target, outcome, durationMs: performance.now() - this.#startedMs, bodyBytes: this.#bodyBytes, filtered: this.#filtered?.stats() });
  }
}

/** Resets with INTERNAL_ERROR. Not by `close(code)`: that ends the body in order first, and the reset then comes too late or never. */
export function breakOff(stream: TunnelStream): void {
  stream.destroy(new Error('the answer broke off'));
}

/** The body's length, where it is known: a service gets it as it was sent. */
function lengthOf(received: readonly string[]): readonly string[] {
  const at = received.indexOf('content-length');
  return at === -1 ? [] : received.slice(at, at + 2);
}

function rawList(raw: Dispatcher.DispatchController['rawHeaders']): readonly (Buffer | string)[] {
  return Array.isArray(raw) ? raw : [];
}

