import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { WayTo } from '../behind/behind.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { PROTOCOL_HEADER_NAMES } from '../remotewrite/protocol.js';
import type { PushTarget } from '../model/desired-state.js';

/**
 * The HTTP client towards one backend: a pool of its own, its own headers and CA, one deadline from the caller. Nothing of the sender's
 * request reaches it but what the caller names.
 */

export interface BackendRequest {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** Appended to the path of the target's URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  readonly signal: AbortSignal;
}

export interface BackendAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The beginning of the body. */
  readonly text: string;
}

export interface BackendFault {
  readonly reason: 'push_backend_unreachable' | 'push_timeout';
  /** Of a backend behind an agent: what is the matter; else ''. */
  readonly detail: string;
}

const CONNECTIONS = 32;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_TEXT_BYTES = 16 * 1024;

export class Backend {
  private readonly pool: Dispatcher;
  private readonly basePath: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly target: PushTarget,
    wayTo: WayTo,
  ) {
    const url = new URL(target.url);
    this.basePath = `${url.pathname.replace(/\/+$/, '')}`;
    this.headers = Object.fromEntries(Object.entries(target.headers).filter(([name]) => !PROTOCOL_HEADER_NAMES.has(name.toLowerCase())));
    this.pool = target.agent === undefined ? poolOf(url.origin, target) : wayTo(target.agent, target.timeoutMs);
  }

  async send({ method, path, headers, body, signal }: BackendRequest): Promise<Result<BackendAnswer, BackendFault>> {
    try {
      const answer = await this.pool.request({ method, path: `${this.basePath}${path}`, headers: { ...this.headers, ...headers }, body: body ?? null, signal });
      const chunks: Buffer[] = [];
      let length = 0;
      const parts: AsyncIterable<Buffer> = answer.body;
      for await (const chunk of parts) {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MAX_TEXT_BYTES) break;
      }
      return ok({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(chunks).toString('utf8', 0, MAX_TEXT_BYTES) });
    } catch (error) {
      return err(faultOf(error, signal.aborted));
    }
  }

  /** A page of any length, and the time on the backend's own clock. Throws where there is none. */
  async page(path: string, signal: AbortSignal): Promise<{ readonly body: AsyncIterable<Buffer>; readonly nowMs: number }> {
    const answer = await this.pool.request({ method: 'GET', path: `${this.basePath}${path}`, headers: { ...this.headers, accept: 'text/plain' }, signal });
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      throw new Error(`status ${answer.statusCode}`);
    }
    const date = Date.parse(String(answer.headers['date'] ?? ''));
    return { body: answer.body, nowMs: Number.isNaN(date) ? Date.now() : date };
  }

  /** Takes no more; what is under way is finished. */
  close(): Promise<void> {
    return this.pool.close();
  }
}

function poolOf(origin: string, { timeoutMs, caPem }: PushTarget): Pool {
  return new Pool(origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(caPem !== undefined && { ca: caPem }) },
  });
}

function faultOf(error: unknown, isOver: boolean): BackendFault {
  if (isOver) return { reason: 'push_timeout', detail: '' };
  if (!(error instanceof ServiceFailure)) return { reason: 'push_backend_unreachable', detail: '' };
  return { reason: error.isTimeout ? 'push_timeout' : 'push_backend_unreachable', detail: error.message };
}
