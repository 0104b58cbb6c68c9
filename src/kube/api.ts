import { createHash } from 'node:crypto';
import { Agent as HttpAgent, request as requestHttp } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { CurrentKubeConfig } from './kube-config.js';
import { textAt } from './values.js';

/**
 * The API server as plain HTTP: one request and its answer, or one watch and its lines. Who we are and whom we trust is the library's
 * (kubeconfig files, tokens that rotate, exec plug-ins); connections are kept, so that a thousand statuses are not a thousand handshakes.
 */
export interface KubeApi {
  /** Rejects where there is no answer; any status is one. */
  send(request: KubeRequest): Promise<KubeAnswer>;
  /** Calls `onLine` for each line of a watch; resolves when the server ends it. Rejects with KubeError where it begins with a refusal. */
  watch(path: string, options: WatchOptions): Promise<void>;
  close(): void;
}

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  readonly body?: unknown;
  /** Default: application/json. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  /** The server has taken it. */
  readonly onOpen: () => void;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
  readonly idleMs: number;
}

export interface KubeAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Of the body; undefined where nobody counted. */
  readonly bytes?: number;
}

/** The API server's own refusal. */
export class KubeError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`${status}: ${message.slice(0, 300)}`);
    this.status = status;
  }
}

export const MERGE_PATCH = 'application/merge-patch+json';
const SEND_TIMEOUT_MS = 30_000;
/** A page of a list, the largest answer that there is. */
const MAX_ANSWER_BYTES = 256 * 2 ** 20;
/** etcd takes 1.5 MiB an object; a line is one object in JSON. */
const MAX_LINE_CHARS = 16 * 2 ** 20;
const MAX_CONNECTIONS = 8;

export function createKubeApi(current: CurrentKubeConfig): KubeApi {
  const agents = createAgents();
  const identity = createIdentity(current);

  async function open({ method, path, body, contentType = 'application/json', signal }: KubeRequest, { pooled }: { readonly pooled: boolean }): Promise<ClientRequest> {
    const { server, options } = await identity.now();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { ...options.headers, accept: 'application/json', 'user-agent': 'scrapeway', ...(text !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }) };
    const agent = pooled ? agents.of(options) : options.agent;
    const make = server.protocol === 'http:' ? requestHttp : requestHttps;
    const request = make(new URL(server.pathname.replace(/\/$/, '') + path, server), {
      ...options,
      method,
      headers,
      ...(signal && { signal }),
      ...(server.protocol === 'http:' ? { agent: new HttpAgent() } : { agent }),
    });
    request.end(text);
    return request;
  }

  return {
    send: async (request) => {
      const signal = AbortSignal.any([AbortSignal.timeout(SEND_TIMEOUT_MS), ...(request.signal ? [request.signal] : [])]);
      const response = await answerOf(await open({ ...request, signal }, { pooled: true }));
      const text = await readAll(response);
      if (response.statusCode === UNAUTHORIZED) identity.forget();
      return { status: response.statusCode ?? 0, body: /json/.test(response.headers['content-type'] ?? '') ? parse(text) : text, bytes: text.length };
    },
    watch: async (path, { onOpen, onLine, signal, idleMs }) => {
      const request = await open({ method: 'GET', path, signal }, { pooled: false });
      // A connection whose other end has vanished says nothing; a live watch has a bookmark each minute.
      request.setTimeout(idleMs, () => request.destroy(new Error(`silent for ${idleMs} ms`)));
      const response = await answerOf(request);
      if (response.statusCode === UNAUTHORIZED) identity.forget();
      if (response.statusCode !== 200) throw new KubeError(response.statusCode ?? 0, messageOf(parse(await readAll(response))));
      onOpen();
      await readLines(response, onLine);
    },
    close: () => agents.close(),
  };
}

const UNAUTHORIZED = 401;
/** So long who we are is not looked up again: it takes files, or a program, and thousands of statuses may be due. */
const IDENTITY_MS = 1_000;

interface Identity {
  readonly server: URL;
  readonly options: RequestOptions;
}

/** Where the server is, who we are and whom we trust, as it is now or was a moment ago. */
function createIdentity(current: CurrentKubeConfig): { now(): Promise<Identity>; forget(): void } {
  let known: { readonly identity: Promise<Identity>; readonly untilMs: number } | undefined;
  const look = async (): Promise<Identity> => {
    try {
      const kubeConfig = await current();
      const options: RequestOptions = {};
      await kubeConfig.applyToHTTPSOptions(options);
      return { server: new URL(kubeConfig.getCurrentCluster()?.server ?? 'http://localhost:8080'), options };
    } catch (error) {
      known = undefined;
      throw error;
    }
  };
  return {
    now: () => {
      if (known === undefined || performance.now() > known.untilMs) known = { identity: look(), untilMs: performance.now() + IDENTITY_MS };
      return known.identity;
    },
    forget: () => {
      known = undefined;
    },
  };
}

/** Keeps connections for as long as who we are and whom we trust is the same. */
function createAgents(): { of(options: RequestOptions): Agent | RequestOptions['agent']; close(): void } {
  let known: { readonly key: string; readonly agent: Agent } | undefined;
  let last: { readonly options: RequestOptions; readonly agent: Agent } | undefined;
  return {
    of: (options) => {
      if (last?.options === options) return last.agent;
      // A proxy's, of the kubeconfig: the library's own.
      if (options.agent !== undefined && options.agent.constructor !== Agent) return options.agent;
      const key = createHash('sha256').update(JSON.stringify([options.ca, options.cert, options.key, options.servername, options.rejectUnauthorized])).digest('hex');
      if (known?.key !== key) {
        known?.agent.destroy();
        const { ca, cert, key: privateKey, servername, rejectUnauthorized } = options;
        known = { key, agent: new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, ca, cert, key: privateKey, servername, ...(rejectUnauthorized !== undefined && { rejectUnauthorized }) }) };
      }
      last = { options, agent: known.agent };
      return known.agent;
    },
    close: () => known?.agent.destroy(),
  };
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.on('response', resolve);
  // Also in mid-answer, where whoever reads sees it too.
  request.on('error', reject);
  return promise;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readLines(response: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  response.setEncoding('utf8');
  // Pieces of the line that has not ended: joined once, since a large object comes in thousands.
  let pieces: string[] = [];
  let chars = 0;
  for await (const chunk of response) {
    const lines = String(chunk).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      const whole = pieces.length === 0 ? line : pieces.join('') + line;
      pieces = [];
      chars = 0;
      if (whole !== '') onLine(whole);
    }
    if (rest !== '') pieces.push(rest);
    chars += rest.length;
    if (chars > MAX_LINE_CHARS) throw new Error(`a line is longer than ${MAX_LINE_CHARS} characters`);
  }
}

/** Undefined for what is no JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a refusal says. */
export function messageOf(body: unknown): string {
  return textAt(body, 'message') ?? (typeof body === 'string' ? body : 'no reason given');
}
