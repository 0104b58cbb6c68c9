import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';

/**
 * One HTTP/1.1 request, with nothing added or taken away: the answer's bytes as they came, redirects not followed, no
 * decompression, a connection of its own.
 */

export interface HttpRequest {
  /** `http:` or `https:`; ignored but for path and host where `socketPath` is given. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** A Unix socket to connect to instead of the URL's host. */
  readonly socketPath?: string;
  /** The request target as it is written on the wire, for absolute form: `http://target.agent.scrapeway/metrics`. */
  readonly target?: string;
  readonly tls?: { readonly ca?: string | Buffer; readonly cert?: string | Buffer; readonly key?: string | Buffer; readonly servername?: string };
  /** Bound of the whole exchange, ms. Default: 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly statusMessage: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly trailers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** Resolves with the head of the answer as soon as it is there; the caller reads the body. */
export function openRequest(options: HttpRequest): Promise<IncomingMessage> {
  const url = new URL(options.url);
  const { timeoutMs = 30_000 } = options;
  const requestOptions: RequestOptions & HttpRequest['tls'] = {
    method: options.method ?? 'GET',
    headers: { ...options.headers },
    host: url.hostname,
    port: url.port,
    path: options.target ?? `${url.pathname}${url.search}`,
    agent: false,
    signal: options.signal ? AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]) : AbortSignal.timeout(timeoutMs),
    ...options.tls,
  };
  if (options.socketPath !== undefined) requestOptions.socketPath = options.socketPath;
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest(requestOptions) : httpRequest(requestOptions);
    request.on('response', resolve);
    request.on('error', reject);
    request.end(options.body);
  });
}

/** The whole answer. Rejects if the body breaks off. */
export async function fetchRaw(options: HttpRequest): Promise<HttpAnswer> {
  const answer = await openRequest(options);
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return {
    status: answer.statusCode ?? 0,
    statusMessage: answer.statusMessage ?? '',
    headers: answer.headers,
    rawHeaders: answer.rawHeaders,
    trailers: answer.trailers,
    body: Buffer.concat(chunks),
  };
}

/** The body of an answer with status 200, as JSON of the type that the caller knows it to have. */
export async function fetchJson<T>(options: HttpRequest): Promise<T> {
  const { status, body } = await fetchRaw(options);
  if (status !== 200) throw new Error(`${options.url}: ${status} ${body.toString('utf8').slice(0, 500)}`);
  const value: T = JSON.parse(body.toString('utf8'));
  return value;
}
