import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fail, optionsFromParent, tell } from './parent.js';

/**
 * Load of large bodies, a program: each connection fetches one after the other. Bodies are hashed as they come and never held, so that the one
 * who asks is not the bottleneck and its memory is not the machine's.
 */

export interface BulkOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly serverName: string; readonly caFile: string } | undefined;
  readonly requests: readonly string[];
  readonly connections: number;
  /** SHA-1, hex. */
  readonly bodyDigest: string;
  /** Of all connections together. */
  readonly bodies: number;
}

export type BulkMessage = { readonly type: 'ready' } | { readonly type: 'result'; readonly seconds: number; readonly bytes: number };

const options = optionsFromParent<BulkOptions>();
let left = options.bodies;
let bytes = 0;

async function openConnection(): Promise<Socket> {
  const { host, port, tls } = options;
  const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, servername: tls.serverName, ca: readFileSync(tls.caFile), ALPNProtocols: ['http/1.1'] });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  return socket;
}

/** One after the other until none is left. Rejects at the first that is not what it should be. */
function fetchAll(socket: Socket, index: number): Promise<void> {
  const done = Promise.withResolvers<void>();
  const refuse = (why: string): void => done.reject(new Error(why));
  let hash = createHash('sha1');
  let head = '';
  let missing = -1;
  const next = (): void => {
    if (left === 0) return done.resolve();
    left -= 1;
    hash = createHash('sha1');
    head = '';
    missing = -1;
    socket.write(options.requests[(index + left) % options.requests.length] ?? '', 'latin1');
  };
  const onBody = (chunk: Buffer): void => {
    if (chunk.length > missing) return refuse('more than was announced');
    hash.update(chunk);
    missing -= chunk.length;
    bytes += chunk.length;
    if (missing > 0) return;
    if (hash.digest('hex') !== options.bodyDigest) return refuse("a body that is not the target's");
    next();
  };
  socket.on('data', (chunk) => {
    if (missing >= 0) return onBody(chunk);
    const before = head.length;
    head += chunk.toString('latin1');
    const headEnd = head.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    missing = Number(/^content-length: *(\d+)\r?$/im.exec(head.slice(0, headEnd))?.[1] ?? -1);
    if (!head.startsWith('HTTP/1.1 200') || missing < 0) return refuse(head.slice(0, headEnd));
    onBody(chunk.subarray(headEnd + 4 - before));
  });
  socket.on('error', (error) => refuse(error.message));
  socket.on('close', () => refuse('closed'));
  next();
  return done.promise;
}

async function run(): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: options.connections }, openConnection));
  await tell<BulkMessage>({ type: 'ready' });
  const startedMs = performance.now();
  await Promise.all(sockets.map(fetchAll));
  await tell<BulkMessage>({ type: 'result', seconds: (performance.now() - startedMs) / 1000, bytes });
  for (const socket of sockets) socket.destroy();
}

await run().catch(fail);
