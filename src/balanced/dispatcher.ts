import { join } from 'node:path';
import { Dispatcher, Pool } from 'undici';
import { errnoOf } from '../lib/errno.js';
import { flatHeaders } from '../lib/flat-headers.js';
import { BACKENDS_SOCKET, BALANCED } from '../model/backend-cluster.js';

/**
 * The way to a backend whose servers Envoy balances, in the shape of an HTTP client's connections. What Envoy says itself is an error and
 * never an answer, so a status is always a server's own word.
 */

/** No server has answered; the message has Envoy's words. */
export class BalancedFailure extends Error {
  /** Nobody was asked, and soon somebody may be: Envoy is being started, or does not know the backend or its addresses yet. */
  readonly isPassing: boolean;

  constructor(message: string, { isPassing, ...options }: ErrorOptions & { readonly isPassing: boolean }) {
    super(message, options);
    this.isPassing = isPassing;
  }
}

export interface BalancedOptions {
  /** The folder of the sockets. */
  readonly runtimeDir: string;
  /** Envoy's name of the backend. */
  readonly cluster: string;
  /** Whether it has servers: one without has nobody to wait for. */
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

  constructor(options: BalancedOptions) {
    super();
    this.#options = options;
    this.#pool = new Pool('http://backends', { socketPath: join(options.runtimeDir, BACKENDS_SOCKET), connections: CONNECTIONS, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  }

  /** With `idempotent: false` it is sent to no second server that may have got it. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { cluster, hasServers } = this.#options;
    const once = options.idempotent === false ? [BALANCED.once, '1'] : [];
    const headers = [...withoutOurs(flatHeaders(options.headers)), BALANCED.cluster, cluster, ...once];
    return this.#pool.dispatch({ ...options, headers }, new ServersWord(handler, hasServers));
  }

  override close(): Promise<void> {
    return this.#pool.close();
  }

  override destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}

/** Whoever may say which headers a backend gets must not thereby say what becomes of the request in Envoy. */
function withoutOurs(headers: readonly string[]): readonly string[] {
  return headers.filter((_each, index) => !/^x-(scrapeway|envoy)-/i.test(headers[index - (index % 2)] ?? ''));
}

/** Hands on what a server says. */
class ServersWord implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #hasServers: boolean;

  constructor(handler: Dispatcher.DispatchHandler, hasServers: boolean) {
    this.#handler = handler;
    this.#hasServers = hasServers;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    const said = headers[BALANCED.failure];
    if (said === undefined) return this.#handler.onResponseStart?.(controller, status, headers, message);
    const words = [said].flat().join(' ');
    const flags = words.split(' ', 1)[0]?.split(',') ?? [];
    controller.abort(new BalancedFailure(words, { isPassing: flags.includes(NO_CLUSTER) || (flags.includes(NO_HOST) && this.#hasServers) }));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, isUnreachable(error) ? new BalancedFailure('Envoy is not there', { isPassing: true, cause: error }) : error);
  }
}

function isUnreachable(error: Error): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
