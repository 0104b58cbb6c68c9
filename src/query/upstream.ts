import { setTimeout } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { BalancedFailure, isStarting } from '../balanced/dispatcher.js';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { prefixOf } from '../model/backend-cluster.js';
import { mimirTenants } from '../model/mimir.js';
import type { Backend } from '../model/desired-state.js';
import { REMOTE_READ_HEADERS } from '../remoteread/request.js';
import type { UpstreamRequest } from './endpoint.js';
import { FORM_TYPE } from './route.js';

/**
 * The client towards one backend. Which of its servers is asked is the way's business; here is what makes a question a request, and when one that
 * nobody has answered is asked once more.
 */

export interface UpstreamAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Undefined where it is not known before the end. */
  readonly length: number | undefined;
  readonly body: Readable;
}

/** Nobody has answered; `cause` is why not. */
export class BackendAway extends Error {}

/** To a backend, whoever dials: it is the caller's, to be closed with it. Paths begin with the prefix of the backend's URL. */
export type WayToBackend = (backend: Backend) => Dispatcher;

/** Where all who were asked are starting. */
const STARTING_PAUSES_MS = [25, 75, 200];
/** So long a question waits for Envoy to know of a backend that has just been configured. */
const PASSING_MS = 2_000;
const PASSING_PAUSE_MS = 25;
/** So often a question is taken from a server that hangs. */
const MAX_LOSSES = 5;

export class Upstream {
  readonly #backend: Backend;
  readonly #prefix: string;
  readonly #way: Dispatcher;
  readonly #logger: Logger;
  /** Equal where the data are. */
  readonly identity: string;
  /** Questions that nobody has answered, and tries at it that came to nothing. */
  failures = 0;
  #holders = 0;
  #retiring: PromiseWithResolvers<void> | undefined;

  constructor(backend: Backend, logger: Logger, wayTo: WayToBackend) {
    this.#backend = backend;
    this.#prefix = prefixOf(backend.url);
    this.#way = wayTo(backend);
    this.#logger = logger;
    this.identity = JSON.stringify([backend.name, backend.url, backend.replicas ?? []]);
  }

  /** Rejects with BackendAway, or with the signal's reason. Whoever gets an answer must read or destroy its body. */
  async ask(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    const pauses = new Pauses(isChange(request));
    for (;;) {
      const said = await this.#try(request, signal);
      if (!('failure' in said)) return said;
      const pauseMs = pauses.after(said.failure);
      if (!isPassing(said.failure) || pauseMs === undefined) {
        this.failures += 1;
        this.#logger.warn({ backend: this.#backend.name, err: said.failure }, 'a backend does not answer');
      }
      if (pauseMs === undefined) throw new BackendAway(this.#backend.name, { cause: said.failure });
      if (pauseMs > 0) await setTimeout(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** Until the function that it returns is called, there is somebody who asks, or may ask more. */
  hold(): () => void {
    this.#holders += 1;
    return () => {
      this.#holders -= 1;
      if (this.#holders === 0) this.#retiring?.resolve();
    };
  }

  /** Resolves when all who hold it have come to their end. */
  async retire(): Promise<void> {
    this.#retiring = Promise.withResolvers();
    if (this.#holders > 0) await this.#retiring.promise;
    await this.#way.close();
  }

  close(): Promise<void> {
    return this.#way.destroy();
  }

  async #try(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer | { readonly failure: unknown }> {
    try {
      const answer = await this.#askOnce(request, signal);
      if (!isStarting(answer.status, answer.contentType)) return answer;
      answer.body.destroy();
      return { failure: new NotReady(`${answer.status} that is not the API's`) };
    } catch (failure) {
      signal.throwIfAborted();
      return { failure };
    }
  }

  /** Once for each selector and each of Mimir's tenants that are asked. */
  #policyHeader(policies: readonly string[]): string[] {
    const tenants = mimirTenants(this.#backend);
    if (tenants.length === 0) throw new Error(`the backend "${this.#backend.name}" has rules in a header and no X-Scope-OrgID`);
    return tenants.flatMap((tenant) => policies.map((selector) => `${tenant}:${encodeURIComponent(selector)}`));
  }

  async #askOnce(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    const { method, path, parameters, json, packed, policies = [] } = request;
    const form = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
    const inBody = method === 'POST' && json === undefined && packed === undefined;
    const about = packed !== undefined ? REMOTE_READ_HEADERS : json !== undefined ? { 'content-type': 'application/json' } : inBody ? { 'content-type': FORM_TYPE } : {};
    const { statusCode, headers, body } = await this.#way.request({
      method,
      path: `${this.#prefix}${path}${inBody || form === '' ? '' : `?${form}`}`,
      headers: { ...this.#backend.headers, 'user-agent': 'scrapeway', ...about, ...(policies.length > 0 && { 'x-prom-label-policy': this.#policyHeader(policies) }) },
      body: packed ?? json ?? (inBody ? form : null),
      idempotent: !isChange(request),
      signal,
    });
    // Whoever reads it sees its errors; whoever gives it up must not have to.
    body.on('error', () => {});
    const length = Number(headers['content-length'] ?? Number.NaN);
    return { status: statusCode, contentType: String(headers['content-type'] ?? ''), length: Number.isSafeInteger(length) ? length : undefined, body };
  }
}

class NotReady extends Error {}

/** How long to wait before a question is asked again; undefined: it is not. */
class Pauses {
  readonly #once: boolean;
  readonly #passingUntilMs = performance.now() + PASSING_MS;
  #starts = 0;
  #losses = 0;
  #wasBroken = false;

  constructor(once: boolean) {
    this.#once = once;
  }

  after(failure: unknown): number | undefined {
    if (failure instanceof BalancedFailure) {
      if (failure.isLost) return this.#losses++ < MAX_LOSSES ? 0 : undefined;
      return failure.isPassing && performance.now() < this.#passingUntilMs ? PASSING_PAUSE_MS : undefined;
    }
    // What changes something is never sent twice.
    if (this.#once) return undefined;
    if (failure instanceof NotReady) return STARTING_PAUSES_MS[this.#starts++];
    // All the time that there was is used up.
    if (this.#wasBroken || (failure instanceof ServiceFailure && failure.isTimeout)) return undefined;
    // Its connection may have been one that the other side was just closing.
    this.#wasBroken = true;
    return 0;
  }
}

function isPassing(failure: unknown): boolean {
  return failure instanceof BalancedFailure && failure.isPassing;
}

function isChange({ json, method }: UpstreamRequest): boolean {
  return json !== undefined || method === 'DELETE';
}
