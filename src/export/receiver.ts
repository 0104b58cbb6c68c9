import { Agent, ProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { NO_WAY } from '../behind/behind.js';
import type { WayTo } from '../behind/behind.js';
import type { ExportDestination } from '../model/desired-state.js';
import type { AwsKeys, OAuth2Client, SigV4 } from '../model/receiver-credentials.js';
import { httpTransport } from '../remotewrite/transport.js';
import type { Sign, Transport } from '../remotewrite/transport.js';
import { takeRole } from './aws-role.js';
import { guardedLookup } from './guarded-lookup.js';
import { isRecord } from './json.js';
import { renewed } from './renewed.js';
import type { Renewed } from './renewed.js';
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
  const asking: Asking = { dispatcher, timeoutMs, nowMs };
  const token = oauth2 === undefined ? undefined : tokenSource(oauth2, asking);
  return {
    name: new URL(url).host,
    url,
    dispatcher,
    headers: async () => (token === undefined ? headers : { ...headers, authorization: `Bearer ${await token.current()}` }),
    refused: () => token?.drop() ?? false,
    sign: sigv4 && createSigner({ region: sigv4.region, service: sigv4.service, keys: keySource(sigv4, asking) }),
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

const DEFAULT_LIFE_S = 300;

/** How credentials are got that hold for a while: by the way to the receiver. */
interface Asking {
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

/** Client credentials, RFC 6749 §4.4. */
function tokenSource({ tokenUrl, clientId, clientSecret, scopes, parameters }: OAuth2Client, { dispatcher, timeoutMs, nowMs }: Asking): Renewed<string> {
  return renewed(async () => {
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
    return { value: body['access_token'], lifeMs: (Number.isFinite(lifeS) ? lifeS : DEFAULT_LIFE_S) * 1000 };
  }, nowMs);
}

function keySource({ region, credentials }: SigV4, { dispatcher, timeoutMs, nowMs }: Asking): () => Promise<AwsKeys> {
  if (credentials.kind === 'keys') return () => Promise.resolve(credentials);
  const keys = renewed(() => takeRole(credentials, { region, dispatcher, timeoutMs }), nowMs);
  return () => keys.current();
}
