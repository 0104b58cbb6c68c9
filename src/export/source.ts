import { setTimeout as rest } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import { NO_WAY } from '../behind/behind.js';
import type { WayTo } from '../behind/behind.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { ask } from '../lib/long-answer.js';
import type { LongAnswer } from '../lib/long-answer.js';
import type { Backend } from '../model/desired-state.js';
import type { Reason } from '../model/reasons.js';
import type { Matcher } from '../promql/ast.js';
import { pack } from '../remotewrite/snappy.js';
import { FrameReader } from '../remoteread/frames.js';
import { againstStored, encodeReadRequest, REMOTE_READ_HEADERS, STREAMED_CONTENT_TYPE } from '../remoteread/request.js';
import { isRecord } from './json.js';

/**
 * The backend that is exported from. It stays with one replica as long as that answers: two that scrape the same targets do it at different
 * times, and a series made of both would have neither's samples.
 */

/** Reasons are few: they are labels of a metric. */
export type SourceFailure = 'source_unreachable' | 'source_refused' | 'source_no_remote_read' | 'source_broken' | 'source_timeout' | /** Of a source behind an agent: of the closed list. */ Reason;

export class SourceError extends Error {
  constructor(
    readonly reason: SourceFailure,
    message: string,
  ) {
    super(message);
  }
}

const READ_PATH = '/api/v1/read';
const OWN_HEADERS = { 'user-agent': 'scrapeway' };
const CONNECT_TIMEOUT_MS = 3_000;
const MAX_TEXT_BYTES = 1024;
const MAX_JSON_BYTES = 32 * 1024 * 1024;
/** No chunk that a Prometheus still holds in memory is longer. */
const MAX_CHUNK_MS = 2 * 3_600_000;
/**
 * A Prometheus writes its answer in pieces of 4 KiB. Who takes each as it comes is woken up thousands of times; after a short rest
 * there is more of it. What comes meanwhile waits in the kernel, so the source is held up before anything grows.
 */
const REST_MS = 4;
const ENOUGH_BYTES = 32 * 1024;

interface Replica {
  readonly pool: Dispatcher;
  readonly prefix: string;
  /** Where we dial it ourselves; undefined: it is behind an agent. */
  readonly base: string | undefined;
  /** Undefined: not known yet, or not any more. */
  isPrometheus: boolean | undefined;
}

export interface ReadSpan {
  readonly startMs: number;
  readonly endMs: number;
  /** The reader goes on in a chunk where it has left it, so that it may come as it is stored. */
  readonly uncut: boolean;
}

export class Source {
  private readonly replicas: readonly Replica[];
  private turn = 0;

  constructor(
    private readonly backend: Backend,
    private readonly logger: Logger,
    wayTo: WayTo = NO_WAY,
  ) {
    this.replicas = [...new Set([backend.url, ...(backend.replicas ?? [])])].map((url) => replicaOf(url, backend, wayTo));
  }

  /** Another number when another replica is read. */
  get replica(): number {
    return this.turn;
  }

  /**
   * Everything stored from `startMs` to `endMs`, both included, and what else its chunks hold. Yields the same reader after each piece of
   * the answer, all of whose frames are to be taken before the next: there is one for each series, and none is worth a promise. Throws SourceError.
   */
  async *read(rules: readonly (readonly Matcher[])[], { startMs, endMs, uncut }: ReadSpan, signal: AbortSignal): AsyncGenerator<FrameReader> {
    const hints = uncut && (await this.leavesUncut(signal)) ? { uncut: { startMs: startMs - MAX_CHUNK_MS, endMs: Infinity } } : {};
    const queries = rules.map((matchers) => ({ startMs, endMs, matchers: matchers.map(againstStored), ...hints }));
    const body = await pack(encodeReadRequest({ queries, responseTypes: ['streamed_chunks'] }));
    const answer = await this.askLong(body, signal);
    if (!answer.type.startsWith(STREAMED_CONTENT_TYPE)) {
      answer.destroy();
      throw new SourceError('source_no_remote_read', `the answer to a remote read is ${answer.type === '' ? 'of no type' : answer.type}, not streamed chunks`);
    }
    const frames = new FrameReader();
    try {
      for await (const piece of answer.pieces) {
        frames.add(piece);
        yield frames;
        if (frames.fault !== undefined) throw new SourceError('source_broken', frames.fault);
        if (piece.length < ENOUGH_BYTES) await rest(REST_MS);
      }
    } catch (error) {
      throw this.failed(error, signal);
    }
    if (!frames.isEmpty) throw this.failed(new Error('the answer ends in the middle of a frame'), signal);
  }

  /** The data of an answer of the HTTP API; with a form it is asked by POST. */
  async json(path: string, form: Readonly<Record<string, string>> | undefined, signal: AbortSignal): Promise<unknown> {
    const body = form === undefined ? {} : { body: new URLSearchParams(form).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const answer = await this.ask({ method: form === undefined ? 'GET' : 'POST', path, ...body }, signal);
    try {
      const text = await textOf(answer.body, MAX_JSON_BYTES);
      const value: { readonly data?: unknown } = JSON.parse(text);
      return value.data;
    } catch (error) {
      throw this.failed(error, signal);
    }
  }

  /**
   * A Prometheus cuts chunks to the time that is asked for, and so writes each of them anew, unless hints of a longer time keep it from that.
   * Others would read all of that time.
   */
  private async leavesUncut(signal: AbortSignal): Promise<boolean> {
    const { current, turn } = this;
    if (current === undefined) return false;
    try {
      current.isPrometheus ??= isPrometheus(await this.json('/api/v1/status/buildinfo', undefined, signal));
    } catch {
      // one that refuses it will go on to do so; one that has failed is asked again
      if (this.turn === turn) current.isPrometheus = false;
    }
    return this.turn === turn && current.isPrometheus === true;
  }

  private get current(): Replica | undefined {
    return this.replicas[this.turn % this.replicas.length];
  }

  close(): Promise<void> {
    return Promise.all(this.replicas.map(({ pool }) => pool.destroy())).then(() => undefined);
  }

  /** A remote read. Through an agent it goes as all requests do, and else by a connection of its own. */
  private async askLong(body: Buffer, signal: AbortSignal): Promise<{ readonly type: string; readonly pieces: AsyncIterable<Buffer>; destroy(): void }> {
    const { current } = this;
    if (current?.base === undefined) {
      const answer = await this.ask({ method: 'POST', path: READ_PATH, headers: REMOTE_READ_HEADERS, body }, signal);
      return { type: String(answer.headers['content-type'] ?? ''), pieces: answer.body, destroy: () => answer.body.destroy() };
    }
    const { caPem, headers } = this.backend;
    let answer: LongAnswer;
    try {
      answer = await ask({ url: new URL(`${current.base}${READ_PATH}`), headers: { ...OWN_HEADERS, ...headers, ...REMOTE_READ_HEADERS }, body, caPem, connectTimeoutMs: CONNECT_TIMEOUT_MS, signal });
    } catch (error) {
      throw this.failed(error, signal);
    }
    if (answer.status !== 200) throw this.refused(answer.status, await textOf(answer.pieces, MAX_TEXT_BYTES).catch(() => ''), signal);
    return { type: answer.headers.get('content-type') ?? '', pieces: answer.pieces, destroy: () => answer.destroy() };
  }

  private async ask({ path, headers = {}, ...request }: Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body'> & { readonly headers?: Readonly<Record<string, string>> }, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const one = this.current;
    if (one === undefined) throw new SourceError('source_unreachable', 'the backend has no URL');
    let answer: Dispatcher.ResponseData;
    try {
      answer = await one.pool.request({ ...request, path: `${one.prefix}${path}`, headers: { ...OWN_HEADERS, ...this.backend.headers, ...headers }, signal });
    } catch (error) {
      throw this.failed(error, signal);
    }
    answer.body.on('error', () => {});
    if (answer.statusCode === 200) return answer;
    throw this.refused(answer.statusCode, await textOf(answer.body, MAX_TEXT_BYTES).catch(() => ''), signal);
  }

  private refused(status: number, text: string, signal: AbortSignal): SourceError {
    const error = new SourceError(status === 404 ? 'source_no_remote_read' : 'source_refused', `${status} ${text.trim()}`);
    return status >= 500 ? this.failed(error, signal) : error;
  }

  /** The next attempt is another replica's. */
  private failed(error: unknown, signal: AbortSignal): SourceError {
    if (this.replicas.length > 1) this.logger.warn({ backend: this.backend.name, err: error }, 'an export goes on with another replica of the backend');
    if (this.current !== undefined) this.current.isPrometheus = undefined;
    this.turn += 1;
    if (error instanceof SourceError) return error;
    const message = error instanceof Error ? error.message : String(error);
    if (signal.aborted) return new SourceError('source_timeout', message);
    if (error instanceof ServiceFailure) return new SourceError(error.reason, message);
    return new SourceError(error instanceof Error && 'code' in error ? 'source_unreachable' : 'source_broken', message);
  }
}

/** By what it says of itself: Mimir and its like have a name there. */
function isPrometheus(buildInfo: unknown): boolean {
  return isRecord(buildInfo) && typeof buildInfo['goVersion'] === 'string' && buildInfo['application'] === undefined;
}

async function textOf(pieces: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of pieces) {
    // it may be another's place soon
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxBytes);
}

function replicaOf(url: string, { caPem, timeoutMs, agent }: Backend, wayTo: WayTo): Replica {
  const { origin, pathname } = new URL(url);
  const prefix = pathname.replace(/\/+$/, '');
  if (agent !== undefined) return { pool: wayTo(agent, timeoutMs), prefix, base: undefined, isPrometheus: undefined };
  return { pool: poolOf(origin, timeoutMs, caPem), prefix, base: `${origin}${prefix}`, isPrometheus: undefined };
}

function poolOf(origin: string, timeoutMs: number, caPem: string | undefined): Pool {
  return new Pool(origin, {
    connections: 4,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(caPem !== undefined && { ca: caPem }) },
  });
}
