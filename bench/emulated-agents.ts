import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connect as connectTls, createSecureContext } from 'node:tls';
import { Connection, encodeBlock, fieldValue, SocketIo, STRICT_LIMITS } from '../src/h2/index.js';
import type { ConnectionHandler, ConnectionOptions, FieldList, Stream } from '../src/h2/index.js';
import { createBackoff } from '../src/tunnel/backoff.js';
import { AGENT_HEADER, upgradeRequest } from '../src/tunnel/handshake.js';
import { createLineDecoder, encodeMessage, readHubLine } from '../src/tunnel/messages.js';
import { CONTROL_AUTHORITY } from '../src/tunnel/streams.js';
import { fail, optionsFromParent, tell } from './parent.js';

/**
 * All agents in one cheap process, a program: each holds a real tunnel, registers one target, and answers every scrape with the same bytes at once.
 * Their side of HTTP/2 is our own frame core, which costs a tenth of what a real agent's does.
 */

export interface AgentsOptions {
  readonly names: readonly string[];
  readonly dial:
    /** Straight to the hub, as if Envoy had verified and stamped. */
    | { readonly kind: 'unix'; readonly socketPath: string }
    /** Through Envoy, with the agent's certificate from `certificateDir`. */
    | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly serverName: string; readonly caFile: string; readonly certificateDir: string };
  /** Wait for the hub's word that the target is registered; else the upgrade's answer will do. */
  readonly registers: boolean;
  readonly bodyFile: string;
  /** A tunnel that is lost is opened again, as a real agent does it. */
  readonly reconnects?: boolean;
}

export type AgentsMessage =
  | { readonly type: 'ready' }
  /** All that were lost are back. Times are of the wall clock, ms: handshakes with TLS, also those that led nowhere, and returns. */
  | { readonly type: 'back'; readonly handshakesAtMs: readonly number[]; readonly returnsAtMs: readonly number[] };

/** Target that each agent offers. */
const TARGET = { name: 'node', scheme: 'http', host: '127.0.0.1', port: 9100, path: '/metrics', labels: { env: 'bench' } } as const;
/** A real agent's. */
const BACKOFF = { baseMs: 250, maxMs: 30_000 };
/** Handshakes under way at a time, in the beginning. */
const DIALLING = 32;
const DIAL_TRIES = 4;

const options = optionsFromParent<AgentsOptions>();
const body = readFileSync(options.bodyFile);
const ANSWER_HEAD = encodeBlock([':status', '200', 'content-type', 'text/plain; version=0.0.4; charset=utf-8', 'content-encoding', 'gzip', 'content-length', String(body.length)]);
const CONTROL_HEAD = encodeBlock([':status', '200']);
const TARGETS = encodeMessage({ type: 'targets', revision: 1, targets: [TARGET] });

const CONNECTION: ConnectionOptions = {
  role: 'server',
  settings: { maxConcurrentStreams: 1000, initialWindowBytes: 65_535, maxHeaderListBytes: 64 * 1024, headerTableBytes: 0 },
  connectionWindowBytes: 65_535,
  limits: STRICT_LIMITS,
  flow: 'automatic',
  nowMs: () => performance.now(),
};

/** One tunnel's HTTP/2. A stream's context: its bytes are the hub's messages. */
class EmulatedAgent implements ConnectionHandler<'control'> {
  readonly connection: Connection<'control'>;
  readonly #lines = createLineDecoder();
  readonly #onRegistered: () => void;
  readonly #onClosed: (detail: string) => void;

  constructor(io: SocketIo, onRegistered: () => void, onClosed: (detail: string) => void) {
    this.#onRegistered = onRegistered;
    this.#onClosed = onClosed;
    this.connection = new Connection(io, CONNECTION, this);
    io.attach(this.connection);
    this.connection.start();
  }

  onHeaders(stream: Stream<'control'>, fields: FieldList): void {
    if (fieldValue(fields, ':authority') === CONTROL_AUTHORITY) {
      stream.context = 'control';
      this.connection.sendHeaders(stream, CONTROL_HEAD, false);
      this.connection.sendData(stream, TARGETS, 0, TARGETS.length, false);
    } else {
      this.connection.sendHeaders(stream, ANSWER_HEAD, false);
      this.connection.sendData(stream, body, 0, body.length, true);
    }
  }

  onData(stream: Stream<'control'>, bytes: Buffer, start: number, end: number): void {
    if (stream.context !== 'control') return;
    const lines = this.#lines.push(bytes.subarray(start, end));
    for (const line of lines.ok ? lines.value : []) {
      const message = readHubLine(line);
      if (message.ok && message.value.type === 'registered' && message.value.accepted === 1) this.#onRegistered();
    }
  }

  onTrailers(): void {}
  onAbort(): void {}

  onClose(close: { readonly detail: string }): void {
    this.#onClosed(close.detail);
  }
}

async function dial(name: string): Promise<Socket> {
  const where = options.dial;
  if (where.kind === 'unix') {
    const socket = connect(where.socketPath);
    await once(socket, 'connect');
    return socket;
  }
  const { host, port, serverName, caFile, certificateDir } = where;
  const file = (ending: string): Buffer => readFileSync(path.join(certificateDir, `${name}.${ending}`));
  const secureContext = createSecureContext({ ca: readFileSync(caFile), cert: file('crt'), key: file('key'), minVersion: 'TLSv1.3' });
  const socket = connectTls({ host, port, servername: serverName, secureContext });
  await once(socket, 'secureConnect');
  handshakesAtMs.push(Date.now());
  return socket;
}

/** Resolves when the agent can be scraped. */
async function openTunnel(name: string): Promise<void> {
  const io = new SocketIo(await dial(name));
  const stamp = options.dial.kind === 'unix' ? `${AGENT_HEADER}: ${name}\r\n` : '';
  const ready = Promise.withResolvers<void>();
  const lost = (detail: string): void => {
    // Before it is up that is a failure; later the benchmark is ending, or the load sees it.
    ready.reject(new Error(`tunnel of ${name}: ${detail}`));
    if (up.delete(name) && options.reconnects === true) void comeBack(name);
  };
  let received = Buffer.alloc(0);
  io.attach({
    onBytes: (bytes, start, end) => {
      received = Buffer.concat([received, bytes.subarray(start, end)]);
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const head = received.toString('latin1', 0, headEnd);
      if (!head.startsWith('HTTP/1.1 101 ')) return lost(head.replaceAll('\r\n', ', '));
      const agent = new EmulatedAgent(io, ready.resolve, lost);
      if (!options.registers) ready.resolve();
      if (received.length > headEnd + 4) agent.connection.onBytes(received, headEnd + 4, received.length);
    },
    onDrain: () => {},
    onClose: (error) => lost(error?.message ?? 'closed before an answer'),
  });
  io.write(Buffer.from(upgradeRequest('localhost', randomUUID()).replace(/\r\n$/, `${stamp}\r\n`), 'latin1'));
  await ready.promise;
  up.add(name);
}

const up = new Set<string>();
const handshakesAtMs: number[] = [];
const returnsAtMs: number[] = [];

/** A machine that others use too may be too slow for one of thousands of handshakes. */
async function openPatiently(name: string): Promise<void> {
  for (let triesLeft = DIAL_TRIES - 1; ; triesLeft -= 1) {
    try {
      return await openTunnel(name);
    } catch (error) {
      if (triesLeft === 0) throw error;
      await setTimeout(BACKOFF.baseMs);
    }
  }
}

/** With the pauses of a real agent. */
async function comeBack(name: string): Promise<void> {
  const backoff = createBackoff(BACKOFF);
  while (!up.has(name)) {
    await setTimeout(backoff.next());
    await openTunnel(name).catch(() => undefined);
  }
  returnsAtMs.push(Date.now());
  if (up.size === options.names.length) await tell<AgentsMessage>({ type: 'back', handshakesAtMs, returnsAtMs });
}

async function run(): Promise<void> {
  const names = options.names.values();
  const dialler = async (): Promise<void> => {
    for (const name of names) await openPatiently(name);
  };
  await Promise.all(Array.from({ length: DIALLING }, dialler));
  handshakesAtMs.length = 0;
  await tell<AgentsMessage>({ type: 'ready' });
}

await run().catch(fail);
