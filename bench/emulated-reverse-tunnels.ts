import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Connection, encodeBlock, SocketIo, STRICT_LIMITS } from '../src/h2/index.js';
import type { ConnectionHandler, ConnectionOptions, Stream } from '../src/h2/index.js';
import { fail, optionsFromParent, tell } from './parent.js';

/**
 * Agents of Envoy's native reverse tunnels, all in one cheap process, a program. After the handshake Envoy says nothing but `RPING`, which is
 * said back, until it has a request: then it begins HTTP/2 as the client. A server that spoke first would lose the tunnel.
 */

export interface ReverseTunnelsOptions {
  readonly names: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly bodyFile: string;
}

export interface ReverseTunnelsMessage {
  readonly type: 'ready';
}

const DIALLING = 32;
const PING = Buffer.from('RPING', 'latin1');
const FIRST_OF_PING = PING[0];

const options = optionsFromParent<ReverseTunnelsOptions>();
const body = readFileSync(options.bodyFile);
const ANSWER_HEAD = encodeBlock([':status', '200', 'content-type', 'text/plain; version=0.0.4; charset=utf-8', 'content-encoding', 'gzip', 'content-length', String(body.length)]);

const CONNECTION: ConnectionOptions = {
  role: 'server',
  settings: { maxConcurrentStreams: 1000, initialWindowBytes: 65_535, maxHeaderListBytes: 64 * 1024, headerTableBytes: 4096 },
  connectionWindowBytes: 65_535,
  limits: STRICT_LIMITS,
  flow: 'automatic',
  nowMs: () => performance.now(),
};

class Answering implements ConnectionHandler<undefined> {
  readonly connection: Connection<undefined>;

  constructor(io: SocketIo) {
    this.connection = new Connection(io, CONNECTION, this);
    io.attach(this.connection);
    this.connection.start();
  }

  onHeaders(stream: Stream<undefined>): void {
    this.connection.sendHeaders(stream, ANSWER_HEAD, false);
    this.connection.sendData(stream, body, 0, body.length, true);
  }

  onData(): void {}
  onTrailers(): void {}
  onAbort(): void {}
  onClose(): void {}
}

/** Resolves when Envoy has taken the tunnel. */
async function openTunnel(name: string): Promise<void> {
  const socket = connect({ host: options.host, port: options.port, noDelay: true });
  await once(socket, 'connect');
  const io = new SocketIo(socket);
  const ready = Promise.withResolvers<void>();
  const lost = (detail: string): void => ready.reject(new Error(`reverse tunnel of ${name}: ${detail}`));
  let received = Buffer.alloc(0);
  let accepted = false;
  const readHead = (): void => {
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = received.toString('latin1', 0, headEnd);
    if (!head.startsWith('HTTP/1.1 200 ')) return lost(head.replaceAll('\r\n', ', '));
    accepted = true;
    received = received.subarray(headEnd + 4);
    ready.resolve();
  };
  io.attach({
    onBytes: (bytes, start, end) => {
      received = Buffer.concat([received, bytes.subarray(start, end)]);
      if (!accepted) readHead();
      while (accepted && received[0] === FIRST_OF_PING && received.length >= PING.length) {
        io.write(PING);
        received = received.subarray(PING.length);
      }
      if (accepted && received.length > 0 && received[0] !== FIRST_OF_PING) new Answering(io).connection.onBytes(received, 0, received.length);
    },
    onDrain: () => {},
    onClose: (error) => lost(error?.message ?? 'closed'),
  });
  const handshake = ['GET /reverse_connections/request HTTP/1.1', 'host: tunnels', `x-envoy-reverse-tunnel-node-id: ${name}`, 'x-envoy-reverse-tunnel-cluster-id: agents', 'x-envoy-reverse-tunnel-tenant-id: bench', '\r\n'];
  io.write(Buffer.from(handshake.join('\r\n'), 'latin1'));
  await ready.promise;
}

async function run(): Promise<void> {
  const names = options.names.values();
  const dialler = async (): Promise<void> => {
    for (const name of names) await openTunnel(name);
  };
  await Promise.all(Array.from({ length: DIALLING }, dialler));
  await tell<ReverseTunnelsMessage>({ type: 'ready' });
}

await run().catch(fail);
