import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { digest } from './body.js';
import { ResponseReader } from './http1.js';
import type { Http1Response } from './http1.js';
import { fail, optionsFromParent, tell } from './parent.js';
import { percentile } from './statistics.js';

/**
 * The load generator, a program: as many scrapes in flight as there are connections, HTTP/1.1 kept alive as Prometheus keeps it, the targets
 * in turn. Every body is checked. It writes requests and reads answers by hand, since it shares the machine with what it measures.
 */

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  /** TLS to this name, trusting this CA; undefined: none. */
  readonly tls: { readonly serverName: string; readonly caFile: string } | undefined;
  /** The request for each target, head with its empty line. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly bodyDigest: string;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** `started` and `stopped` frame what is measured, `result` follows. */
export type LoadMessage =
  | { readonly type: 'started' }
  | { readonly type: 'stopped' }
  | {
      readonly type: 'result';
      readonly scrapes: number;
      readonly seconds: number;
      readonly p50Ms: number;
      readonly p99Ms: number;
      readonly failures: number;
      readonly firstFailure: string;
    };

const options = optionsFromParent<LoadOptions>();
const requests = options.requests.map((text) => Buffer.from(text, 'latin1'));
let phase: 'warm-up' | 'measured' | 'over' = 'warm-up';
let nextTarget = 0;
let latenciesMs: number[] = [];
let failures = 0;
let firstFailure = '';

function noteFailure(what: string): void {
  if (phase === 'over') return;
  failures += 1;
  firstFailure ||= what;
}

function judge({ status, head, body }: Http1Response): void {
  if (status !== 200) noteFailure(`status ${status}: ${/^x-scrapeway-reason: .*$/im.exec(head)?.[0] ?? ''} ${body.toString('utf8').slice(0, 200).trim()}`);
  else if (digest(body) !== options.bodyDigest) noteFailure(`a body of ${body.length} bytes that is not the target's`);
}

async function openConnection(): Promise<Socket> {
  const { host, port, tls } = options;
  const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, servername: tls.serverName, ca: readFileSync(tls.caFile), ALPNProtocols: ['http/1.1'] });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  socket.setNoDelay(true);
  return socket;
}

function scrapeForEver(socket: Socket): void {
  const reader = new ResponseReader();
  let sentMs = 0;
  const send = (): void => {
    const request = requests[nextTarget % requests.length];
    nextTarget += 1;
    sentMs = performance.now();
    if (request !== undefined) socket.write(request);
  };
  socket.on('data', (chunk) => {
    for (const response of reader.push(chunk)) {
      if (phase === 'measured') latenciesMs.push(performance.now() - sentMs);
      judge(response);
      if (phase !== 'over') send();
    }
  });
  socket.on('error', (error) => noteFailure(error.message));
  socket.on('close', () => noteFailure('the connection was closed'));
  send();
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

async function run(): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: options.connections }, openConnection));
  for (const socket of sockets) scrapeForEver(socket);
  await pause(options.warmUpSeconds);
  latenciesMs = [];
  phase = 'measured';
  const startedMs = performance.now();
  await tell<LoadMessage>({ type: 'started' });
  await pause(options.seconds);
  phase = 'over';
  const seconds = (performance.now() - startedMs) / 1000;
  await tell<LoadMessage>({ type: 'stopped' });
  for (const socket of sockets) socket.destroy();
  const sorted = Float64Array.from(latenciesMs).sort();
  await tell<LoadMessage>({ type: 'result', scrapes: sorted.length, seconds, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), failures, firstFailure });
}

await run().catch(fail);
