import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { WayTo } from '../behind/behind.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { mimirTenants } from '../model/mimir.js';
import type { Backend } from '../model/desired-state.js';
import { REMOTE_READ_HEADERS } from '../remoteread/request.js';
import type { UpstreamRequest } from './endpoint.js';
import { FORM_TYPE } from './route.js';

/**
 * The client towards one backend. All that it is asked are questions, so a replica that breaks before it has answered costs
 * nothing but the next one's turn.
 */

export interface UpstreamAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Undefined where it is not known before the end. */
  readonly length: number | undefined;
  readonly body: Readable;
}

/** No replica has answered; `cause` is why the last one has not. */
export class BackendAway extends Error {}

interface Replica {
  readonly origin: string;
  readonly prefix: string;
  readonly pool: Dispatcher;
  downUntilMs: number;
}

const CONNECT_TIMEOUT_MS = 3_000;
const CONNECTIONS = 128;
/** For so long a replica that failed is asked last. */
const EJECTION_MS = 5_000;

export class Upstream {
  readonly #backend: Backend;
  readonly #replicas: readonly Replica[];
  readonly #logger: Logger;
  #turn = 0;
  /** Equal where the data are. */
  readonly identity: string;
  /** Attempts that came to nothing. */
  failures = 0;

  constructor(backend: Backend, logger: Logger, wayTo: WayTo) {
    this.#backend = backend;
    this.#logger = logger;
    this.identity = JSON.stringify([backend.name, backend.url, backend.replicas ?? []]);
    this.#replicas = [...new Set([backend.url, ...(backend.replicas ?? [])])].map((url) => replica(url, backend, wayTo));
  }

  /** Rejects with BackendAway, or with the signal's reason. Whoever gets an answer must read or destroy its body. */
  async ask(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    const order = this.#order();
    let last: unknown;
    const changes = request.json !== undefined || request.method === 'DELETE';
    // Once more the first: its connection may have been one that the other side was just closing. What changes something is never sent twice.
    for (const one of changes ? order.slice(0, 1) : [...order, ...order.slice(0, 1)]) {
      try {
        const answer = await this.#askOne(one, request, signal);
        if (!isStarting(answer)) return answer;
        answer.body.destroy();
        this.#failed(one, 'it is not ready');
      } catch (error) {
        signal.throwIfAborted();
        last = error;
        this.#failed(one, error);
        // All the time that there was is used up.
        if (error instanceof ServiceFailure && error.isTimeout) break;
      }
    }
    throw new BackendAway(this.#backend.name, { cause: last });
  }

  /** Lets what is under way come to its end. */
  async retire(): Promise<void> {
    await Promise.all(this.#replicas.map(({ pool }) => pool.close()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map(({ pool }) => pool.destroy()));
  }

  /** In turn, those that have failed lately last. */
  #order(): readonly Replica[] {
    const first = this.#turn % this.#replicas.length;
    this.#turn = first + 1;
    const now = Date.now();
    const rotated = [...this.#replicas.slice(first), ...this.#replicas.slice(0, first)];
    return [...rotated.filter(({ downUntilMs }) => downUntilMs <= now), ...rotated.filter(({ downUntilMs }) => downUntilMs > now)];
  }

  #failed(one: Replica, error: unknown): void {
    this.failures += 1;
    one.downUntilMs = Date.now() + EJECTION_MS;
    this.#logger.warn({ backend: this.#backend.name, replica: one.origin, err: error }, 'a replica does not answer');
  }

  /** Once for each selector and each of Mimir's tenants that are asked. */
  #policyHeader(policies: readonly string[]): string[] {
    const tenants = mimirTenants(this.#backend);
    if (tenants.length === 0) throw new Error(`the backend "${this.#backend.name}" has rules in a header and no X-Scope-OrgID`);
    return tenants.flatMap((tenant) => policies.map((selector) => `${tenant}:${encodeURIComponent(selector)}`));
  }

  async #askOne({ pool, prefix }: Replica, { method, path, parameters, json, packed, policies = [] }: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    const form = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
    const inBody = method === 'POST' && json === undefined && packed === undefined;
    const about = packed !== undefined ? REMOTE_READ_HEADERS : json !== undefined ? { 'content-type': 'application/json' } : inBody ? { 'content-type': FORM_TYPE } : {};
    const { statusCode, headers, body } = await pool.request({
      method,
      path: `${prefix}${path}${inBody || form === '' ? '' : `?${form}`}`,
      headers: { ...this.#backend.headers, 'user-agent': 'scrapeway', ...about, ...(policies.length > 0 && { 'x-prom-label-policy': this.#policyHeader(policies) }) },
      body: packed ?? json ?? (inBody ? form : null),
      signal,
    });
    // Whoever reads it sees its errors; whoever gives it up must not have to.
    body.on('error', () => {});
    const length = Number(headers['content-length'] ?? Number.NaN);
    return { status: statusCode, contentType: String(headers['content-type'] ?? ''), length: Number.isSafeInteger(length) ? length : undefined, body };
  }
}

function replica(url: string, { caPem, agent, timeoutMs }: Backend, wayTo: WayTo): Replica {
  const { origin, pathname } = new URL(url);
  const pool = agent === undefined ? poolOf(origin, caPem) : wayTo(agent, timeoutMs);
  return { origin, prefix: pathname.replace(/\/+$/, ''), pool, downUntilMs: 0 };
}

function poolOf(origin: string, caPem: string | undefined): Pool {
  return new Pool(origin, {
    connections: CONNECTIONS,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(caPem === undefined ? {} : { ca: caPem }) },
  });
}

/** A Prometheus that reads its log, or a proxy in front of one that is away: not an answer of the API. */
function isStarting({ status, contentType }: UpstreamAnswer): boolean {
  return (status === 502 || status === 503 || status === 504) && !contentType.startsWith('application/json');
}
