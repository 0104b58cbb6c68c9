import { join } from 'node:path';
import { Dispatcher, Pool } from 'undici';
import { flatHeaders, isWhole } from '../lib/dispatch-options.js';
import { errnoOf } from '../lib/errno.js';
import { BACKENDS_SOCKET, BALANCED } from '../model/backend-cluster.js';
import { openAdmin } from './admin.js';
import type { Admin } from './admin.js';
import { requestsOfLost } from './lost.js';
import { Waiting } from './waiting.js';

/**
 * The way to a backend whose servers Envoy balances, in the shape of an HTTP client's connections. What Envoy says itself is an error and
 * never an answer, so a status is always a server's own word.
 */

/** No server has answered; the message has Envoy's words. */
export class BalancedFailure extends Error {
  /** Nobody was asked, and soon somebody may be: Envoy is being started, or does not know the backend or its addresses yet. */
  readonly isPassing: boolean;
  /** A server has it that hangs; Envoy asks others by now. */
  readonly isLost: boolean;

  constructor(message: string, { isPassing = false, isLost = false, ...options }: ErrorOptions & { readonly isPassing?: boolean; readonly isLost?: boolean }) {
    super(message, options);
    this.isPassing = isPassing;
    this.isLost = isLost;
  }
}

export interface BalancedOptions {
  /** The folder of the sockets. */
  readonly runtimeDir: string;
  /** Envoy's name of the backend. */
  readonly cluster: string;
  /** A backend without servers has nobody to wait for. */
  readonly hasServers: boolean;
}

/** Of one backend: a slow one takes no place from another. */
const CONNECTIONS = 128;
/** Response flags: no such cluster, no host in it. */
const NO_CLUSTER = 'NC';
const NO_HOST = 'UH';

export class BalancedDispatcher extends Dispatcher {
  readonly #options: BalancedOptions;
  readonly #pool: Pool;
  readonly #admin: Admin;
  readonly #waiting: Waiting;

  constructor(options: BalancedOptions) {
    super();
    this.#options = options;
    this.#pool = new Pool('http://backends', { socketPath: join(options.runtimeDir, BACKENDS_SOCKET), connections: CONNECTIONS, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, allowH2: false });
    this.#admin = openAdmin(options.runtimeDir);
    this.#waiting = new Waiting({
      lost: () => requestsOfLost(this.#admin, options.cluster),
      failure: () => new BalancedFailure('the server that has it hangs', { isLost: true }),
    });
  }

  /** With `idempotent: false` it is sent to no second server that may have got it. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { cluster, hasServers } = this.#options;
    const isQuestion = options.idempotent !== false;
    const headers = [...withoutOurs(flatHeaders(options.headers)), BALANCED.cluster, cluster];
    const begin = (controller: Dispatcher.DispatchController): (() => void) => this.#waiting.add(controller, isQuestion);
    const send = (mark: string | undefined, again?: () => void): boolean =>
      this.#pool.dispatch({ ...options, headers: mark === undefined ? headers : [...headers, mark, '1'] }, new ServersWord(handler, { hasServers, begin, again }));
    if (!isQuestion) return send(BALANCED.once);
    return send(undefined, isWhole(options.body) ? () => void send(BALANCED.again) : undefined);
  }

  override async close(): Promise<void> {
    await this.#pool.close();
    await this.#admin.close();
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#admin.close()]);
  }
}

/** Whoever may say which headers a backend gets must not thereby say what becomes of the request in Envoy. */
function withoutOurs(headers: readonly string[]): readonly string[] {
  return headers.filter((_each, index) => !isOurs(headers[index - (index % 2)] ?? ''));
}

interface ServersWordOptions {
  readonly hasServers: boolean;
  /** The request is on its way; the function that it returns, that its answer has begun or that it has none. */
  readonly begin: (controller: Dispatcher.DispatchController) => () => void;
  /** Asks another server. */
  readonly again: (() => void) | undefined;
}

/** A Prometheus that reads its log, or a proxy in front of one that is away: not an answer of the API. */
export function isStarting(status: number, contentType: string): boolean {
  return (status === 502 || status === 503 || status === 504) && !contentType.startsWith('application/json');
}

class Starting extends Error {}

function isOurs(name: string): boolean {
  return /^x-(scrapeway|envoy)-/i.test(name);
}

/** Hands on what a server says. */
class ServersWord implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #options: ServersWordOptions;
  #begun: (() => void) | undefined;

  constructor(handler: Dispatcher.DispatchHandler, options: ServersWordOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#begun = this.#options.begin(controller);
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    this.#noLongerWaits();
    const said = headers[BALANCED.failure];
    if (said === undefined) {
      if (this.#options.again !== undefined && isStarting(status, String(headers['content-type'] ?? ''))) return controller.abort(new Starting());
      return this.#handler.onResponseStart?.(controller, status, headers, message);
    }
    const words = [said].flat().join(' ');
    const flags = words.split(' ', 1)[0]?.split(',') ?? [];
    controller.abort(new BalancedFailure(words, { isPassing: flags.includes(NO_CLUSTER) || (flags.includes(NO_HOST) && this.#options.hasServers) }));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#noLongerWaits();
    if (error instanceof Starting) return this.#options.again?.();
    this.#handler.onResponseError?.(controller, isUnreachable(error) ? new BalancedFailure('Envoy is not there', { isPassing: true, cause: error }) : error);
  }

  #noLongerWaits(): void {
    this.#begun?.();
    this.#begun = undefined;
  }
}

function isUnreachable(error: Error): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
