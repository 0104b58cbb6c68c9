import { constants } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { ServerOptions as TlsServerOptions } from 'node:https';
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import type { SitePush, SitePushTls } from '../../model/site-push.js';
import { Places } from './places.js';

/**
 * The listening end of the door, which clients reach directly: no Envoy stands in front of it, so what a stranger can hold here (connections,
 * heads, handshakes) is bounded here.
 *
 * What it listens on is replaced as a whole: the old server takes nothing any more and finishes what is under way, the new one listens. An address
 * that cannot be had is tried again until it can, or until another one is wanted; scrapes do not depend on it.
 */

export interface ListenerOptions {
  /** Answers one request. Never throws. */
  readonly answer: (request: IncomingMessage, response: ServerResponse, onward: () => void) => void;
  readonly onDropped: () => void;
  /** When it begins or ceases to listen. */
  readonly onListening: (listening: boolean) => void;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Time for a request's head, and for a handshake. Default: 10 s. */
  readonly headTimeoutMs?: number;
}

export type Listening = Pick<SitePush, 'listen' | 'tls'> & { readonly maxConnections: number };

const RETRY_MS = 2_000;

const HEAD_TIMEOUT_MS = 10_000;

const BOUNDS: ServerOptions = {
  // Of the head and the body; the door has a deadline of its own for each push, which is shorter.
  requestTimeout: 660_000,
  keepAliveTimeout: 60_000,
  maxHeaderSize: 16 * 1024,
};

interface Wanted {
  readonly key: string;
  readonly settings: Listening;
}

export class SiteListener {
  private wanted: Wanted | undefined;
  private server: OwnServer | undefined;
  private readonly ending = new Set<Promise<void>>();
  private cancelRetry: () => void = () => {};

  constructor(private readonly options: ListenerOptions) {}

  /** From now on; undefined: nowhere. */
  use(settings: Listening | undefined): void {
    const key = JSON.stringify(settings);
    if (key === this.wanted?.key) return;
    this.wanted = settings && { key, settings };
    this.cancelRetry();
    this.retire();
    if (this.wanted !== undefined) void this.open(this.wanted);
  }

  /** Undefined while it does not listen. */
  get port(): number | undefined {
    return this.server?.port();
  }

  /** Takes nothing any more; resolves when all that was under way has been answered. */
  async close(): Promise<void> {
    this.use(undefined);
    await Promise.all(this.ending);
  }

  private retire(): void {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    this.options.onListening(false);
    const ended = server.end().finally(() => this.ending.delete(ended));
    this.ending.add(ended);
  }

  private async open(wanted: Wanted): Promise<void> {
    const { logger, clock } = this.options;
    const { settings } = wanted;
    const { host, port } = settings.listen;
    try {
      const server = new OwnServer(settings, this.options);
      await server.listen(host, port);
      if (this.wanted !== wanted) return void server.end();
      this.server = server;
      this.options.onListening(true);
      logger.info({ host, port: server.port(), tls: settings.tls !== undefined }, 'the push door listens');
    } catch (error) {
      if (this.wanted !== wanted) return;
      logger.error({ err: error, host, port }, 'the push door cannot listen; it is tried again');
      this.cancelRetry = clock.after(RETRY_MS, () => void this.open(wanted));
    }
  }
}

/** One server, with what it has under way. */
class OwnServer {
  private readonly server: Server;
  private readonly places: Places;
  private readonly underWay = new Set<ServerResponse>();
  private isEnding = false;
  private onAnswered: () => void = () => {};

  constructor({ tls, maxConnections }: Listening, { answer, onDropped, logger, headTimeoutMs = HEAD_TIMEOUT_MS }: ListenerOptions) {
    this.places = new Places(maxConnections, onDropped);
    const take = (request: IncomingMessage, response: ServerResponse, onward: () => void): void => {
      this.underWay.add(response);
      const answered = this.places.ask(request.socket);
      response.once('close', () => {
        answered();
        this.underWay.delete(response);
        this.onAnswered();
      });
      if (this.isEnding) response.setHeader('connection', 'close');
      answer(request, response, onward);
    };
    const plain: RequestListener = (request, response) => take(request, response, () => {});
    const bounds = { ...BOUNDS, headersTimeout: headTimeoutMs, connectionsCheckingInterval: Math.min(2_000, headTimeoutMs) };
    this.server = tls === undefined ? createServer(bounds, plain) : createTlsServer({ ...bounds, ...tlsOptions(tls), handshakeTimeout: headTimeoutMs }, plain);
    // Who asks first whether to send its body is answered by us, once it is known who that is.
    this.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => take(request, response, () => response.writeContinue()));
    this.server.on('connection', (socket) => this.places.enter(socket)).on('error', (error) => logger.warn({ err: error }, 'the push door'));
  }

  async listen(host: string, port: number): Promise<void> {
    this.server.listen(port, host);
    await once(this.server, 'listening');
  }

  port(): number | undefined {
    const address = this.server.address();
    return address === null || typeof address === 'string' ? undefined : address.port;
  }

  async end(): Promise<void> {
    this.isEnding = true;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const response of this.underWay) if (!response.headersSent) response.setHeader('connection', 'close');
    await new Promise<void>((resolve) => {
      this.onAnswered = () => {
        if (this.underWay.size === 0) resolve();
      };
      this.onAnswered();
    });
    this.places.clear();
    await closed;
  }
}

/** Sessions are not resumed: each connection shows its certificate, and the CAs of now are who judges it. */
function tlsOptions({ certificate, key, clientCa }: SitePushTls): TlsServerOptions {
  return {
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
    // Whoever shows none may have a password; one that is not signed as it should be is refused with a reason (identity.ts).
    ...(clientCa !== undefined && { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
  };
}
