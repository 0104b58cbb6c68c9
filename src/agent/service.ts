/**
 * One request of the gateway to a service of this agent: its body up, the answer down. What is asked for is checked against the service's own
 * rules, which stand in the agent's file; from then on it is a scrape with another method and a body.
 */
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { ErrorCode } from '../h2/index.js';
import type { HttpMethod, ServiceSpec } from '../model/agent-settings.js';
import type { Reason } from '../model/reasons.js';
import { serviceOf } from '../tunnel/services.js';
import { isPathAllowed } from './allow-list.js';
import type { Reach } from './allow-list.js';
import { readRequest, Scrape } from './scrape.js';
import type { ScrapeRecord, ScrapeRequest } from './scrape.js';
import type { TargetPool } from './target-client.js';
import type { TunnelStream } from './tunnel-stream.js';

/** A service with its connections. */
export interface LiveService {
  readonly spec: ServiceSpec;
  readonly pool: TargetPool;
  readonly reach: Reach;
}

export interface ServiceDeps {
  readonly find: (name: string) => LiveService | undefined;
  /** Whether one more may start. */
  readonly hasRoom: () => boolean;
  readonly onEnd: (record: ScrapeRecord) => void;
}

/** A service has answered and does not want the rest of the request: so long it is read and thrown away, ms. */
const LINGER_MS = 5_000;

/** Whether this stream of the hub's is for a service. `received` is its header list, flat, names in lower case. */
export function isServiceCall(received: readonly string[]): boolean {
  return serviceOf(received[received.indexOf(':authority') + 1] ?? '') !== undefined;
}

/** Answers one stream. Never throws. */
export function serveService(stream: TunnelStream, received: readonly string[], { find, hasRoom, onEnd }: ServiceDeps): void {
  const request = readRequest(received);
  const live = find(serviceOf(request.authority) ?? '');
  const exchange = new Scrape(stream, performance.now(), live?.spec.target.name, onEnd);
  endRequestWithAnswer(stream);
  const method = live && allowedMethod(live.spec, request);
  const refusal = refuse(live, method, received, hasRoom());
  if (refusal !== undefined || live === undefined || method === undefined) {
    stream.resume();
    return exchange.fail(refusal ?? 'agent_denied');
  }
  const { spec, pool } = live;
  const hasBody = !stream.endAfterHeaders && method !== 'GET' && method !== 'HEAD';
  const body = hasBody ? boundedBody(stream, spec.maxRequestBytes, () => exchange.fail('service_request_too_large')) : undefined;
  if (body === undefined) stream.resume();
  exchange.run({ spec, pool, filter: undefined }, { ...request, method, path: `${basePath(spec)}${request.path}` }, received, body);
}

function refuse(live: LiveService | undefined, method: HttpMethod | undefined, received: readonly string[], hasRoom: boolean): Reason | undefined {
  if (live === undefined) return 'service_unknown';
  if (live.reach.denied || method === undefined) return 'agent_denied';
  if (contentLength(received) > live.spec.maxRequestBytes) return 'service_request_too_large';
  return hasRoom ? undefined : 'agent_overloaded';
}

/** The last word: undefined where no rule allows the request. Paths of rules, and of requests, are below the service's URL. */
function allowedMethod({ allow }: ServiceSpec, { method, path }: ScrapeRequest): HttpMethod | undefined {
  const rules = allow.filter((rule) => isPathAllowed({ allowedPaths: [rule.path] }, path));
  return rules.flatMap(({ methods }) => methods).find((each) => each === method);
}

function basePath({ target }: ServiceSpec): string {
  return target.path.replace(/\/+$/, '');
}

function contentLength(received: readonly string[]): number {
  const at = received.indexOf('content-length');
  return at === -1 ? 0 : Number(received[at + 1]);
}

/** The request's body as far as it may go. When nobody takes it any more, the rest of it is read and thrown away. */
function boundedBody(stream: TunnelStream, maxBytes: number, tooLarge: () => void): Readable {
  let bytes = 0;
  const body = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) return done(null, chunk);
      tooLarge();
      done(new Error('the request is too large'));
    },
  });
  body.on('error', () => undefined);
  body.on('close', () => {
    stream.unpipe(body);
    stream.resume();
  });
  return stream.pipe(body);
}

function endRequestWithAnswer(stream: TunnelStream): void {
  stream.once('finish', () => {
    if (stream.readableEnded || stream.closed) return;
    const timer = setTimeout(() => stream.close(ErrorCode.noError), LINGER_MS);
    stream.once('close', () => clearTimeout(timer));
  });
}
