import { Client, Dispatcher } from 'undici';
import { flatHeaders, isWhole } from '../lib/dispatch-options.js';
import { errnoOf } from '../lib/errno.js';
import type { AgentService } from '../model/agent-service.js';
import { isReason, REASON_HEADER, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { AGENT_HEADER, MEMBER_HEADER } from '../tunnel/handshake.js';
import { LAST_HEADER, SERVICE_HEADER } from '../tunnel/services.js';
import { TIMEOUT_HEADER } from '../tunnel/streams.js';

/**
 * The way to one service behind an agent, in the shape of an HTTP client's connections: whoever can ask a server that it dials can ask one that
 * it cannot. What fails on the way is an error with a reason and never an answer, so a status is always the service's own word.
 */

/** No answer of the service: why. */
export class ServiceFailure extends Error {
  constructor(
    readonly reason: Reason,
    options?: ErrorOptions,
  ) {
    super(`${reason}: ${REASONS[reason].text}`, options);
  }

  /** It may have got the request, and did not answer in time. */
  get isTimeout(): boolean {
    return REASONS[this.reason].status === 504;
  }
}

export interface DispatcherOptions {
  readonly service: AgentService;
  /** Longest time from a request's first byte to the end of its answer, ms. */
  readonly timeoutMs: number;
  /** Of the data thread that holds the agent's tunnels now. */
  readonly socketPath: () => string;
}

/** Requests under way; more wait their turn. */
const STREAMS = 128;
const KEEP_ALIVE_MS = 60_000;
/** As far as an answer may go ahead of its reader: the way through the tunnel may be long. */
const WINDOW_BYTES = 1024 * 1024;
/** For so long a member of a site that could not is asked last, ms. */
const LAST_MS = 5_000;
/** The service has not seen the request: another member of the site may have it, whatever it asks for. */
const NOT_BEGUN: ReadonlySet<Reason> = new Set(['service_unknown', 'agent_denied', 'target_dns', 'target_refused', 'target_unreachable', 'target_tls', 'agent_overloaded', 'agent_draining']);

type Call = Dispatcher.DispatchOptions & { readonly headers: string[] };

export class ServiceDispatcher extends Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #clients = new Map<string, Client>();
  /** Members that could not, and until when they come last. */
  readonly #last = new Map<string, number>();

  constructor(options: DispatcherOptions) {
    super();
    this.#options = options;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { service, timeoutMs } = this.#options;
    const headers = [...flatHeaders(options.headers), AGENT_HEADER, service.agent, SERVICE_HEADER, service.service, TIMEOUT_HEADER, String(timeoutMs)];
    return this.#send({ ...options, headers }, handler, new Set());
  }

  /** `tried`: members that this request was with already. */
  #send(call: Call, handler: Dispatcher.DispatchHandler, tried: ReadonlySet<string>): boolean {
    const last = this.#comeLast();
    const headers = last.length === 0 ? call.headers : [...call.headers, LAST_HEADER, last.join(' ')];
    const again = (reason: Reason, member: string | undefined): boolean => {
      if (member === undefined) return false;
      this.#last.set(member, performance.now() + LAST_MS);
      if (tried.has(member) || !NOT_BEGUN.has(reason) || !isWhole(call.body)) return false;
      this.#send(call, handler, new Set([...tried, member]));
      return true;
    };
    return this.#client().dispatch({ ...call, headers }, new ServicesWord(handler, again));
  }

  #comeLast(): readonly string[] {
    const now = performance.now();
    for (const [member, untilMs] of this.#last) if (untilMs <= now) this.#last.delete(member);
    return [...this.#last.keys()];
  }

  #client(): Client {
    const socketPath = this.#options.socketPath();
    const known = this.#clients.get(socketPath);
    if (known !== undefined) return known;
    const { agent, service } = this.#options.service;
    const client = new Client(`http://${service}.${agent}`, {
      socketPath,
      pipelining: STREAMS,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      allowH2: true,
      initialWindowSize: WINDOW_BYTES,
      // The connection's window is never what binds: a reader that is slow holds up nobody else.
      h2Options: { useH2c: true, maxConcurrentStreams: STREAMS, connectionWindowSize: STREAMS * WINDOW_BYTES, pingInterval: 0 },
    });
    this.#clients.set(socketPath, client);
    return client;
  }

  override async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  override async destroy(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.destroy()));
  }
}

/** Hands on what the service says; what gateway and agent say themselves becomes an error, or another try. */
class ServicesWord implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #again: (reason: Reason, member: string | undefined) => boolean;
  #member: string | undefined;

  constructor(handler: Dispatcher.DispatchHandler, again: (reason: Reason, member: string | undefined) => boolean) {
    this.#handler = handler;
    this.#again = again;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    const reason = headers[REASON_HEADER];
    if (typeof reason !== 'string') return this.#handler.onResponseStart?.(controller, status, headers, message);
    const member = headers[MEMBER_HEADER];
    this.#member = typeof member === 'string' ? member : undefined;
    controller.abort(new ServiceFailure(isReason(reason) ? reason : 'gateway_error'));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (error instanceof ServiceFailure && this.#again(error.reason, this.#member)) return;
    this.#handler.onResponseError?.(controller, isUnreachable(error) ? new ServiceFailure('hub_unreachable', { cause: error }) : error);
  }
}

/** The data thread is being started again. */
function isUnreachable(error: Error): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
