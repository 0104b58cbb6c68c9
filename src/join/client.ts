/**
 * The site's end: asks a gateway for a certificate. Joining trusts nobody at first: the CA is fetched from whoever answers, and believed
 * only if its fingerprint is the token's; the token goes out over a connection that is verified with that CA.
 */
import { X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { REASON_HEADER } from '../model/reasons.js';
import { createRequest } from '../pki/certificate.js';
import { caFingerprint, readToken } from './token.js';
import type { JoinToken } from './token.js';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  /** A connection that a proxy has made; undefined = directly. */
  readonly through?: Socket | undefined;
}

/** PEM texts. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
  /** What the gateway is verified with. */
  readonly ca: string;
}

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 256 * 1024;

export async function join(tokenText: string, endpointOf: (address: string) => Promise<Result<Endpoint, string>>): Promise<Result<{ readonly token: JoinToken; readonly identity: Identity }, string>> {
  const token = readToken(tokenText);
  if (!token.ok) return token;
  const first = await endpointOf(token.value.joinAt);
  if (!first.ok) return first;
  const shown = await call(first.value, { rejectUnauthorized: false }, { method: 'GET', path: '/agents/join' });
  if (!shown.ok) return shown;
  const ca = textOf(shown.value, 'ca');
  if (caFingerprint(ca) !== token.value.caFingerprint) return err(`whoever answers at ${token.value.joinAt} is not the gateway that made the token: its CA has another fingerprint`);
  const { requestPem, privateKeyPem } = await createRequest(token.value.agent);
  const second = await endpointOf(token.value.joinAt);
  if (!second.ok) return second;
  const issued = await call(second.value, { ca }, { method: 'POST', path: '/agents/join', body: { token: tokenText, csr: requestPem } });
  if (!issued.ok) return issued;
  const certificate = textOf(issued.value, 'certificate');
  return isCertificateOf(certificate) ? ok({ token: token.value, identity: { certificate, key: privateKeyPem, ca } }) : err('the gateway answered without a certificate');
}

/** The next certificate, with a new key, by the one that is in use. */
export async function renew(endpoint: Endpoint, current: Identity, name: string): Promise<Result<Identity, string>> {
  const { requestPem, privateKeyPem } = await createRequest(name);
  const issued = await call(endpoint, { ca: current.ca, cert: current.certificate, key: current.key, minVersion: 'TLSv1.3' }, { method: 'POST', path: '/agents/renew', body: { csr: requestPem } });
  if (!issued.ok) return issued;
  const certificate = textOf(issued.value, 'certificate');
  return isCertificateOf(certificate) ? ok({ certificate, key: privateKeyPem, ca: current.ca }) : err('the gateway answered without a certificate');
}

function isCertificateOf(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function textOf(answer: string, key: 'ca' | 'certificate'): string {
  try {
    const value: Partial<Record<string, unknown>> = JSON.parse(answer);
    return String(value[key]);
  } catch {
    return '';
  }
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
}

function call({ host, port, serverName, through }: Endpoint, tls: ConnectionOptions, { method, path, body }: Call): Promise<Result<string, string>> {
  const at = `${host}:${port}`;
  return new Promise((resolve) => {
    const fail = (message: string): void => resolve(err(`${at}: ${message}`));
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const request = httpsRequest({
      method,
      path,
      headers: { host: `${serverName.includes(':') ? `[${serverName}]` : serverName}:${port}`, ...(payload !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // without an agent: one that is given would connect by itself
      createConnection: () => connect({ ...tls, ...(through === undefined ? { host, port } : { socket: through }), servername: /^[\d.]+$|:/.test(serverName) ? '' : serverName, ALPNProtocols: ['http/1.1'] }),
    });
    request.once('error', (error) => fail(error.name === 'AbortError' || error.name === 'TimeoutError' ? `no answer within ${TIMEOUT_MS / 1000} s` : (errnoOf(error) ?? error.message)));
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.once('error', (error) => fail(error.message));
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) return resolve(ok(text));
        const reason = response.headers[REASON_HEADER];
        fail(`${response.statusCode ?? 0} ${typeof reason === 'string' ? `(${reason}) ` : ''}${text.trim().slice(0, 200)}`);
      });
    });
    request.end(payload);
  });
}
