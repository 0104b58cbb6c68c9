import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { ErrorCode, errorName, MAX_UNARY_MESSAGE_BYTES, serveUnary, SocketIo, TRUSTED_LIMITS } from '../h2/index.js';
import type { Close, UnaryMethod, UnaryOptions } from '../h2/index.js';
import type { Logger } from '../lib/logger.js';
import { listenOnUnixSocket } from '../lib/unix-socket.js';
import type { DesiredState } from '../model/desired-state.js';
import type { Target } from '../model/target.js';
import { createAuthorizer } from './authorizer.js';
import type { Authorizer, AuthorizerOptions } from './authorizer.js';

/** The authorizer on a Unix socket: Envoy's ext_authz service, for Envoy alone. */
export interface AuthzServer {
  /** Listens; a socket that is left from before is replaced. Rejects if it cannot. */
  start(): Promise<void>;
  setState(state: DesiredState): void;
  /** See `Authorizer.mayStay`. */
  readonly mayStay: Authorizer['mayStay'];
  /** undefined: what the agent offers is not known (any more). */
  setRegistration(agent: string, targets: readonly Target[] | undefined): void;
  /** Closes everything at once: calls without an answer get none. Resolves when the socket's file is gone. */
  close(): Promise<void>;
}

export interface AuthzServerOptions extends AuthorizerOptions {
  readonly socketPath: string;
  readonly logger: Logger;
}

export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';

/** Envoy has one connection for each of its workers. */
const ENVOY_CONNECTION: UnaryOptions['connection'] = {
  settings: {
    maxConcurrentStreams: 10_000,
    // A call never has to wait for a window.
    initialWindowBytes: 2 * MAX_UNARY_MESSAGE_BYTES,
    maxHeaderListBytes: 16 * 1024,
    headerTableBytes: 4096,
  },
  connectionWindowBytes: 16 * 1024 * 1024,
  limits: TRUSTED_LIMITS,
  nowMs: () => performance.now(),
};

export function createAuthzServer(options: AuthzServerOptions): AuthzServer {
  return new UnixAuthzServer(options);
}

class UnixAuthzServer implements AuthzServer {
  readonly #socketPath: string;
  readonly #logger: Logger;
  readonly #authorizer: Authorizer;
  readonly #methods: ReadonlyMap<string, UnaryMethod>;
  readonly #server: Server;
  readonly #connections = new Set<ReturnType<typeof serveUnary>>();

  constructor(options: AuthzServerOptions) {
    this.#socketPath = options.socketPath;
    this.#logger = options.logger;
    this.#authorizer = createAuthorizer(options);
    this.#methods = new Map([[CHECK_PATH, (message) => this.#authorizer.check(message)]]);
    // Paused: nothing is read before the socket is taken over (h2/socket-io.ts).
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  async start(): Promise<void> {
    await listenOnUnixSocket(this.#server, this.#socketPath);
    this.#server.on('error', (error) => this.#logger.error({ err: error }, 'ext_authz cannot accept a connection'));
  }

  #accept(socket: Socket): void {
    const connection = serveUnary(new SocketIo(socket), {
      methods: this.#methods,
      connection: ENVOY_CONNECTION,
      logger: this.#logger,
      onClosed: (close) => {
        this.#connections.delete(connection);
        this.#logClose(close);
      },
    });
    this.#connections.add(connection);
  }

  #logClose({ by, code, detail }: Close): void {
    if (code !== ErrorCode.noError) this.#logger.error({ by, code: errorName(code), detail }, 'a connection of Envoy to ext_authz was closed');
  }

  readonly mayStay: Authorizer['mayStay'] = (...asked) => this.#authorizer.mayStay(...asked);

  setState(state: DesiredState): void {
    this.#authorizer.setState(state);
  }

  setRegistration(agent: string, targets: readonly Target[] | undefined): void {
    this.#authorizer.setRegistration(agent, targets);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      // Its error says that it was not listening, which is just as well.
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.close(ErrorCode.noError, 'the gateway stops');
    await closed;
  }
}
