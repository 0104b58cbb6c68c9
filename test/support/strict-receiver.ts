import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { fetchRaw } from './http.js';
import { portOf } from './ports.js';

/** What stands before a receiver in the world: TLS, and a door that wants to know who sends. What it admits goes to the real receiver behind. */

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** Common name of the client certificate, if a good one was shown. */
  readonly client: string | undefined;
}

export interface StrictReceiver extends AsyncDisposable {
  readonly port: number;
  /** What was refused, newest last. */
  readonly refused: readonly Asked[];
}

export interface StrictReceiverOptions {
  readonly tls: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };
  /** Base URL of the receiver. */
  readonly behind: string;
  readonly admits: (asked: Asked) => boolean;
}

export async function startStrictReceiver({ tls, behind, admits }: StrictReceiverOptions): Promise<StrictReceiver> {
  const refused: Asked[] = [];
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, async (request, response) => {
    const body = await buffer(request);
    const asked: Asked = { path: request.url ?? '', headers: request.headers, body, client: clientOf(request.socket) };
    if (!admits(asked)) {
      refused.push(asked);
      response.writeHead(401).end('who are you?');
      return;
    }
    const kept = Object.entries(request.headers).filter(([name]) => /^(content-|x-prometheus-|user-agent)/.test(name) && name !== 'content-length');
    const answer = await fetchRaw({ url: `${behind}/api/v1/write`, method: 'POST', headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])), body });
    const written = Object.entries(answer.headers).filter(([name]) => name.startsWith('x-prometheus-'));
    response.writeHead(answer.status, Object.fromEntries(written)).end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    refused,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function clientOf(socket: IncomingMessage['socket']): string | undefined {
  if (!isTls(socket) || !socket.authorized) return undefined;
  const name = socket.getPeerCertificate().subject.CN;
  return typeof name === 'string' ? name : undefined;
}

function isTls(socket: IncomingMessage['socket']): socket is TLSSocket {
  return 'getPeerCertificate' in socket;
}

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly service: string;
}

const hex = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
const mac = (key: Buffer | string, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** As AWS checks it ("Create a signed AWS API request", steps 1 to 5), from the request as it came. */
export function isSigned({ path, headers, body }: Asked, { accessKeyId, secretAccessKey, region, service }: AwsKeys): boolean {
  const found = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '');
  if (found === null) return false;
  const [, id = '', day = '', scope = '', names = '', signature = ''] = found;
  if (id !== accessKeyId || scope !== `${region}/${service}/aws4_request`) return false;
  if (!names.split(';').includes('host') || !names.split(';').includes('x-amz-date')) return false;
  const canonical = names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}\n`).join('');
  const request = ['POST', path, '', canonical, names, hex(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', String(headers['x-amz-date']), `${day}/${scope}`, hex(request)].join('\n');
  const key = [region, service, 'aws4_request'].reduce((from: Buffer, part) => mac(from, part), mac(`AWS4${secretAccessKey}`, day));
  return mac(key, toSign).toString('hex') === signature;
}
