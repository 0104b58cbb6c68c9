import { Agent, ProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { NO_WAY } from '../behind/behind.js';
import type { WayTo } from '../behind/behind.js';
import type { ExportDestination } from '../model/desired-state.js';
import type { OAuth2Client } from '../model/receiver-credentials.js';
import { httpTransport } from '../remotewrite/transport.js';
import type { Sign, Transport } from '../remotewrite/transport.js';
import { guardedLookup } from './guarded-lookup.js';
import { isRecord } from './json.js';
import { createSigner } from './sigv4.js';

/** The way to one receiver: its connections, with certificate and proxy, and the headers that show who we are. */

export interface Receiver {
  /** `host:port`; for metrics and logs. */
  readonly name: string;
  readonly url: string;
  readonly dispatcher: Dispatcher;
  headers(): Promise<Readonly<Record<string, string>>>;
  /** The receiver does not take us for who we are. True where the next headers will show something newer, so that it is worth another try. */
  refused(): boolean;
  readonly sign: Sign | undefined;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const USER_AGENT = 'scrapeway';

/** `nowMs` runs evenly; what it counts from is all one. */
export function createReceiver(destination: ExportDestination, url: string, wayTo: WayTo = NO_WAY, nowMs = (): number => performance.now()): Receiver {
  const { headers, oauth2, sigv4, agent, timeoutMs } = destination;
  const dispatcher = agent === undefined ? dispatcherFor(destination) : wayTo(agent, timeoutMs);
  const token = oauth2 === undefined ? undefined : tokenSource(oauth2, dispatcher, timeoutMs, nowMs);
  return {
    name: new URL(url).host,
    url,
    dispatcher,
    headers: async () => (token === undefined ? headers : { ...headers, authorization: `Bearer ${await token.current()}` }),
    refused: () => token?.drop() ?? false,
    sign: sigv4 && createSigner(sigv4),
    close: () => dispatcher.destroy(),
  };
}

export function transportTo({ url, headers, refused, sign, dispatcher }: Receiver): Transport {
  return httpTransport({ url, userAgent: USER_AGENT, headers, refused, sign, dispatcher });
}

function dispatcherFor({ caPem, client, proxy, timeoutMs, isGuarded = false }: ExportDestination): Dispatcher {
  const tls = { ...(isGuarded && { lookup: guardedLookup }), ...(caPem !== undefined && { ca: caPem }), ...(client !== undefined && { cert: client.certificatePem, key: client.privateKeyPem }) };
  const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  if (proxy === undefined) return new Agent({ ...timeouts, connect: { timeout: CONNECT_TIMEOUT_MS, ...tls } });
  return new ProxyAgent({ ...timeouts, uri: proxy.url, requestTls: { timeout: CONNECT_TIMEOUT_MS, ...tls }, ...(proxy.authorization !== undefined && { token: proxy.authorization }) });
}

/** A token is asked for again when a tenth of its life is left. */
const LIFE_USED = 0.9;
const DEFAULT_LIFE_S = 300;

interface TokenSource {
  current(): Promise<string>;
  /** Forgets the token before its time: it was revoked, or the keys of its issuer have changed. False: it is too new for that to be the reason. */
  drop(): boolean;
}

/** A token this new that is refused would be refused again. */
const NEW_MS = 10_000;

/** Client credentials, RFC 6749 §4.4: one request at a time, whoever waits gets its answer. */
function tokenSource({ tokenUrl, clientId, clientSecret, scopes, parameters }: OAuth2Client, dispatcher: Dispatcher, timeoutMs: number, nowMs: () => number): TokenSource {
  let token = '';
  let [fromMs, untilMs] = [-Infinity, -Infinity];
  let underWay: Promise<string> | undefined;

  async function fetchToken(): Promise<string> {
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scopes.length > 0 && { scope: scopes.join(' ') }), ...parameters });
    const credentials = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64');
    const answer = await request(tokenUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json', authorization: `Basic ${credentials}` },
      body: form.toString(),
      dispatcher,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body: unknown = answer.statusCode === 200 ? await answer.body.json() : await answer.body.dump();
    if (!isRecord(body) || typeof body['access_token'] !== 'string') throw new Error(`no token from ${new URL(tokenUrl).host}: status ${answer.statusCode}`);
    const lifeS = Number(body['expires_in'] ?? DEFAULT_LIFE_S);
    token = body['access_token'];
    fromMs = nowMs();
    untilMs = fromMs + (Number.isFinite(lifeS) ? lifeS : DEFAULT_LIFE_S) * 1000 * LIFE_USED;
    return token;
  }

  return {
    current: () => {
      if (nowMs() < untilMs) return Promise.resolve(token);
      underWay ??= fetchToken().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
    drop: () => {
      if (nowMs() < fromMs + NEW_MS) return false;
      untilMs = -Infinity;
      return true;
    },
  };
}
