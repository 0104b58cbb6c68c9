import { once } from 'node:events';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { createLineDecoder, encodeMessage } from '../../src/tunnel/messages.js';
import type { AgentMessage, HubMessage } from '../../src/tunnel/messages.js';
import { gatewayIdLines, upgradeAnswer } from '../../src/tunnel/handshake.js';
import { portOf } from './ports.js';

/**
 * The gateway as an agent sees it, for the agent's own tests: TLS with a client certificate, the upgrade, and `node:http2` as the
 * client of the reversed connection, an implementation that is not ours.
 */
export interface FakeGateway extends AsyncDisposable {
  readonly port: number;
  /** Head of each upgrade request, the oldest first. */
  readonly handshakes: readonly string[];
  /** Handshakes that were refused because the agent has a tunnel here. */
  readonly metAgain: () => number;
  /** What the next handshakes are answered with instead of 101: the whole HTTP response. */
  refuseWith(response: string | undefined): void;
  /** The next tunnel that comes up (or one that is up and was not taken yet). */
  tunnel(): Promise<FakeTunnel>;
  close(): Promise<void>;
}

export interface FakeTunnel {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  /** Resolves with the next message of the agent on the control stream; undefined when the stream has ended. */
  message(): Promise<AgentMessage | undefined>;
  say(message: HubMessage): void;
  /** Opens a scrape's stream. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream;
  /** A whole scrape; rejects when the stream is reset. */
  scrape(headers: OutgoingHttpHeaders): Promise<ScrapeAnswer>;
}

export interface ScrapeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: Buffer;
}

export interface FakeGatewayOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** CA of the agents. */
  readonly ca: string | Buffer;
  /** Default: `fake-gateway`. */
  readonly id?: string;
  /** Ids that it tells; default: its own; null: it tells nothing. */
  readonly all?: readonly string[] | null;
  /** Connections that it allows a tunnel; default: it does not know of lanes. */
  readonly maxLanes?: number;
  /** Accepts an agent that says it has a tunnel here. */
  readonly forgets?: boolean;
  /** Default: an address of its own, 127.0.0.1, and any free port. */
  readonly listen?: { readonly host: string; readonly port: number };
}

export async function startFakeGateway(options: FakeGatewayOptions): Promise<FakeGateway> {
  const handshakes: string[] = [];
  const tunnels: FakeTunnel[] = [];
  const waiting: ((tunnel: FakeTunnel) => void)[] = [];
  const sockets = new Set<TLSSocket>();
  const { id = 'fake-gateway' } = options;
  let refusal: string | undefined;
  let known = 0;

  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      handshakes.push(head.toString('latin1'));
      if (refusal !== undefined) return void socket.end(refusal);
      const ids = { id, all: options.all ?? (options.all === null ? undefined : [id]) };
      if (options.forgets !== true && /^tunnel-known: (.*)\r$/m.exec(head.toString('latin1'))?.[1]?.split(',').includes(id) === true) {
        known += 1;
        return void socket.end(['HTTP/1.1 409 Conflict', ...gatewayIdLines(ids), 'x-scrapeway-reason: tunnel_known', 'content-length: 0', '', ''].join('\r\n'));
      }
      // Node's HTTP/2 must not see the end of a write that it did not start: it aborts the process
      socket.write(upgradeAnswer(ids, options.maxLanes), () => {
        const tunnel = openTunnel(socket);
        const first = waiting.shift();
        if (first === undefined) tunnels.push(tunnel);
        else first(tunnel);
      });
    });
  });
  // also those in the middle of their handshake: an agent that dials again while we close would be waited for
  const connections = new Set<Socket>();
  server.on('connection', (connection: Socket) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
  });
  server.on('tlsClientError', () => undefined);
  server.listen(options.listen?.port ?? 0, options.listen?.host ?? '127.0.0.1');
  await once(server, 'listening');

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of [...sockets, ...connections]) socket.destroy();
    await closed;
  }
  return {
    port: portOf(server),
    handshakes,
    metAgain: () => known,
    refuseWith: (response) => {
      refusal = response;
    },
    tunnel: async () => tunnels.shift() ?? new Promise<FakeTunnel>((resolve) => waiting.push(resolve)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function openTunnel(socket: TLSSocket): FakeTunnel {
  const session = connect('http://tunnel', { createConnection: () => socket, settings: { headerTableSize: 0, enablePush: false } });
  session.on('error', () => undefined);
  const control = session.request({ ':method': 'POST', ':path': '/control', ':authority': '.control' }, { endStream: false });
  control.on('error', () => undefined);
  const messages = readMessages(control);
  const open = (headers: OutgoingHttpHeaders): ClientHttp2Stream => session.request({ ':path': '/metrics', 'x-scrapeway-timeout-ms': '5000', ...headers });
  return {
    session,
    socket,
    message: async () => (await messages.next()).value,
    say: (message) => void control.write(encodeMessage(message)),
    open,
    scrape: (headers) => readAnswer(open(headers)),
  };
}

async function* readMessages(control: ClientHttp2Stream): AsyncGenerator<AgentMessage, undefined> {
  const decoder = createLineDecoder();
  for await (const chunk of control) {
    const lines = decoder.push(chunk);
    if (!lines.ok) throw new Error(lines.error);
    for (const line of lines.value) {
      const message: AgentMessage = JSON.parse(line);
      yield message;
    }
  }
  return undefined;
}

export async function readAnswer(stream: ClientHttp2Stream): Promise<ScrapeAnswer> {
  let headers: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
  let trailers: IncomingHttpHeaders | undefined;
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    trailers = received;
  });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { status: headers[':status'] ?? 0, headers, trailers, body: Buffer.concat(chunks) };
}
