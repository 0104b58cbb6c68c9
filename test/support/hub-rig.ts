import { randomUUID } from 'node:crypto';
import http2 from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Registry } from 'prom-client';
import { createHub } from '../../src/hub/hub.js';
import type { Hub, HubOptions } from '../../src/hub/hub.js';
import { silentLogger } from '../../src/lib/logger.js';
import type { DesiredState } from '../../src/model/desired-state.js';
import type { Registration } from '../../src/model/target.js';
import { upgradeRequest } from '../../src/tunnel/handshake.js';
import { gateOn } from './gate.js';
import { createTempDir } from './temp-dir.js';

/**
 * A hub between an emulated Envoy (node:http2 as client) and emulated agents (node:http2 as server on an upgraded socket, or
 * raw sockets for those that misbehave). Real sockets throughout.
 */

export interface HubRig extends AsyncDisposable {
  readonly hub: Hub;
  readonly registry: Registry;
  readonly registrations: Registration[];
  /** `up a`, `down a`, in order. */
  readonly states: string[];
  /** A new connection as one of Envoy's workers has it. */
  envoy(options?: http2.ClientSessionOptions): Promise<http2.ClientHttp2Session>;
  /** Dials as an agent whose certificate Envoy has verified, and returns the socket behind the 101, or the refusal. */
  dial(agent: string, options?: DialOptions): Promise<Dialled>;
  /** `dial`, and HTTP/2 as server on it; throws on a refusal. Returns when the control stream is open. */
  agent(agent: string, options?: RigAgentOptions): Promise<RigAgent>;
  /** Value of a metric, its samples added up. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

export interface Dialled {
  readonly socket: Socket;
  /** Status line and headers of the answer. */
  readonly head: string;
  readonly accepted: boolean;
}

export type ScrapeHandler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

export interface DialOptions {
  readonly instance?: string;
  /** Of the certificate. */
  readonly serial?: string;
  /** Who signed it. */
  readonly issuer?: string;
  /** The site that the agent is a member of. */
  readonly home?: string;
  /** Gateways that it says it has a tunnel to. */
  readonly known?: readonly string[];
  /** Id of the gateway to whose tunnel it adds a lane. */
  readonly lane?: string;
}

export interface RigAgentOptions extends DialOptions {
  /** For `freeze` and `thaw`. */
  readonly freezable?: boolean;
  readonly settings?: http2.Settings;
  readonly onScrape?: ScrapeHandler;
}

export interface RigAgent {
  readonly session: http2.ServerHttp2Session;
  readonly socket: Socket;
  readonly control: http2.ServerHttp2Stream;
  /** What the hub has said on the control stream. */
  readonly heard: string[];
  say(message: object): void;
  /** Stops it, as SIGSTOP would. */
  freeze(): void;
  thaw(): void;
  readonly closed: Promise<void>;
}

const AGENTS = ['a', 'b', 'c'];
const ANSWER_200: ScrapeHandler = (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('up 1\n');
};

/** A state in which the agents a, b and c are known, with at most `maxTargets` targets each. */
export function stateWith(agents: readonly string[], maxTargets = 1000): DesiredState {
  const listener = { host: '127.0.0.1', port: 0, certificateChainPem: '', privateKeyPem: '' };
  return {
    gateway: {
      id: 'gw-1',
      names: [],
      scrape: { ...listener, clientCaPem: undefined },
      agents: { ...listener, clientCaPem: '' },
      limits: { maxConnections: 100, maxScrapeConnections: 100, defaultScrapeTimeoutMs: 10_000, maxScrapeTimeoutMs: 60_000, deadlineMarginMs: 0 },
      accessLogPath: '/dev/null',
    },
    tenants: [{ name: 't', credentials: [], scrape: [], limits: { requestsPerSecond: 1, burst: 1 } }],
    agents: agents.map((name) => ({ name, san: { type: 'uri', value: `spiffe://scrapeway/agent/${name}` }, tenants: [], maxTargets })),
  };
}

export async function startHubRig(options: Partial<HubOptions> = {}): Promise<HubRig> {
  const dir = await createTempDir();
  const registry = new Registry();
  const registrations: Registration[] = [];
  const states: string[] = [];
  const hubSocketPath = dir.join('hub-0.sock');
  const tunnelSocketPath = dir.join('tunnel-0.sock');
  const hub = createHub({
    hubSocketPath,
    tunnelSocketPath,
    logger: silentLogger,
    registry,
    onRegistration: (registration) => registrations.push(registration),
    onAgentState: (agent, state) => states.push(`${state} ${agent}`),
    ...options,
  });
  await hub.start();
  hub.setState(stateWith(AGENTS));
  const opened: { destroy(): void }[] = [];

  const dial = async (agent: string, { instance = randomUUID(), serial, issuer, home, known, lane }: DialOptions = {}): Promise<Dialled> => {
    const socket = connect(tunnelSocketPath);
    opened.push(socket);
    socket.on('error', () => {});
    const stamped = [`x-scrapeway-agent: ${home ?? agent}`, ...(home === undefined ? [] : [`x-scrapeway-member: ${agent}`]), ...(serial === undefined ? [] : [`x-scrapeway-peer-serial: ${serial}`]), ...(issuer === undefined ? [] : [`x-scrapeway-peer-issuer: ${issuer}`])];
    socket.write(upgradeRequest('gateway', instance, known, lane).replace(/\r\n$/, `${stamped.join('\r\n')}\r\n\r\n`));
    const head = await readHead(socket);
    return { socket, head, accepted: head.startsWith('HTTP/1.1 101 ') };
  };

  return {
    hub,
    registry,
    registrations,
    states,
    dial,
    envoy: async (sessionOptions = {}) => {
      const session = http2.connect('http://hub', { createConnection: () => connect(hubSocketPath), ...sessionOptions });
      opened.push(session);
      session.on('error', () => {});
      await new Promise<void>((resolve) => {
        session.once('remoteSettings', () => resolve());
      });
      return session;
    },
    agent: async (name, agentOptions = {}) => {
      const { socket, head, accepted } = await dial(name, agentOptions);
      if (!accepted) throw new Error(`refused: ${head}`);
      return serveTunnel(socket, agentOptions);
    },
    metric: async (name, labels = {}) => {
      const metric = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
      const values: readonly { value: number; labels: Readonly<Record<string, unknown>> }[] = metric?.values ?? [];
      return values.filter((value) => Object.entries(labels).every(([key, wanted]) => value.labels[key] === wanted)).reduce((sum, { value }) => sum + value, 0);
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of opened) each.destroy();
      await hub.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Everything up to the empty line; what follows stays in the socket. */
function readHead(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', onData);
      socket.pause();
      const rest = received.subarray(end + 4);
      if (rest.length > 0) socket.unshift(rest);
      resolve(received.toString('latin1', 0, end));
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('closed before an answer')));
  });
}

async function serveTunnel(socket: Socket, options: RigAgentOptions): Promise<RigAgent> {
  const gate = options.freezable === true ? gateOn(socket) : undefined;
  const session = http2.performServerHandshake(gate?.stream ?? socket, { settings: { headerTableSize: 0, ...options.settings } });
  session.on('error', () => {});
  const heard: string[] = [];
  const control = await new Promise<http2.ServerHttp2Stream>((resolve) => {
    session.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      if (headers[':authority'] !== '.control') return (options.onScrape ?? ANSWER_200)(stream, headers);
      stream.respond({ ':status': 200 });
      stream.on('data', (chunk: Buffer) => heard.push(...chunk.toString().trim().split('\n')));
      resolve(stream);
    });
  });
  return {
    session,
    socket,
    control,
    heard,
    freeze: () => gate?.freeze(),
    thaw: () => gate?.thaw(),
    say: (message) => control.write(`${JSON.stringify(message)}\n`),
    closed: new Promise((resolve) => {
      session.once('close', () => resolve());
    }),
  };
}

export interface ScrapeOptions {
  readonly agent?: string;
  readonly target?: string;
  readonly path?: string;
  readonly method?: string;
  readonly timeoutMs?: number;
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly body?: Buffer;
}

export interface ScrapeAnswer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly reason: string | undefined;
}

/** Opens a scrape as Envoy would, after ext_authz has stamped it. */
export function openScrape(session: http2.ClientHttp2Session, options: ScrapeOptions = {}): http2.ClientHttp2Stream {
  const { agent = 'a', target = 'node', path = '/metrics', method = 'GET', timeoutMs = 10_000, headers = {}, body } = options;
  const stamped = {
    'x-scrapeway-tenant': 't',
    'x-scrapeway-agent': agent,
    'x-scrapeway-target': target,
    'x-scrapeway-path': path,
    'x-scrapeway-timeout-ms': String(timeoutMs),
  };
  const request = session.request({ ':method': method, ':path': `/scrape/${agent}/${target}`, ':authority': 'gateway', ...stamped, ...headers }, { endStream: body === undefined });
  if (body !== undefined) request.end(body);
  return request;
}

/** The whole answer. Rejects when the stream is reset. */
export function answerTo(request: http2.ClientHttp2Stream): Promise<ScrapeAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let headers: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    request.on('response', (got) => (headers = got));
    request.on('trailers', (got) => (trailers = got));
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', reject);
    request.on('close', () => {
      const reason = headers['x-scrapeway-reason'];
      if (request.rstCode !== 0) return reject(new Error(`reset with ${request.rstCode}`));
      resolve({ status: Number(headers[':status']), headers, body: Buffer.concat(chunks), trailers, reason: typeof reason === 'string' ? reason : undefined });
    });
  });
}

export function scrape(session: http2.ClientHttp2Session, options: ScrapeOptions = {}): Promise<ScrapeAnswer> {
  return answerTo(openScrape(session, options));
}

export interface OpenConnect {
  readonly stream: http2.ClientHttp2Stream;
  readonly head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
}

/** A CONNECT as Envoy has it after ext_authz has stamped it. */
export function connectHeaders(timeoutMs = 10_000): http2.OutgoingHttpHeaders {
  return { ':method': 'CONNECT', ':authority': 'node.a.scrapeway:443', 'x-scrapeway-tenant': 't', 'x-scrapeway-agent': 'a', 'x-scrapeway-target': 'node', 'x-scrapeway-timeout-ms': String(timeoutMs), 'user-agent': 'Go' };
}

/** Resolves with the head of the answer. */
export async function openConnect(session: http2.ClientHttp2Session, timeoutMs?: number): Promise<OpenConnect> {
  const stream = session.request(connectHeaders(timeoutMs));
  stream.on('error', () => {});
  const head = await new Promise<OpenConnect['head']>((resolve) => {
    stream.once('response', resolve);
  });
  return { stream, head };
}
