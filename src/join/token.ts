/**
 * The join token: everything that a site needs, in one word that can be pasted. Signed, so that the gateway need not remember what it
 * gave out; it holds the fingerprint of the gateway's CA, so that the site need not trust whoever answers.
 *
 *   swj1.<base64url of the content>.<base64url of its HMAC-SHA256>
 */
import { createHmac, createPrivateKey, hash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { isName } from '../model/names.js';

export interface JoinToken {
  /** Random; a token is used once. */
  readonly id: string;
  readonly agent: string;
  /** ms since the epoch. */
  readonly expiresMs: number;
  /** HOST:PORT of the door that takes the token (the scrape listener). */
  readonly joinAt: string;
  /** HOST:PORT that the agent dials from then on. */
  readonly gateway: string;
  /** Of the CAs that the gateway's certificate is verified with (`caFingerprint`). */
  readonly caFingerprint: string;
}

const PREFIX = 'swj1';
const MAX_LENGTH = 4096;

/** Lower-case hex SHA-256 of the CA file as it is: a bundle is pinned as a whole. */
export function caFingerprint(pem: string): string {
  return hash('sha256', pem, 'hex');
}

/** The key that signs tokens: made from the CA's, so that there is no second secret to keep. */
export function tokenKey(caPrivateKeyPem: string): Buffer {
  const der = createPrivateKey(caPrivateKeyPem).export({ type: 'pkcs8', format: 'der' });
  return Buffer.from(hkdfSync('sha256', der, '', 'scrapeway join token 1', 32));
}

export function writeToken(token: JoinToken, key: Buffer): string {
  const content = `${PREFIX}.${Buffer.from(JSON.stringify(token)).toString('base64url')}`;
  return `${content}.${mac(content, key).toString('base64url')}`;
}

/** What a token says, not verified: for the site, which has no key and relies on the fingerprint. */
export function readToken(text: string): Result<JoinToken, string> {
  const [prefix, content = '', signature, ...rest] = text.split('.');
  if (text.length > MAX_LENGTH || prefix !== PREFIX || signature === undefined || rest.length > 0) return err('not a join token');
  try {
    const value: unknown = JSON.parse(Buffer.from(content, 'base64url').toString('utf8'));
    return isToken(value) ? ok(value) : err('not a join token of a version that is known here');
  } catch {
    return err('not a join token; was it copied whole?');
  }
}

/** For the gateway: what the token says, if this key has signed it. */
export function verifyToken(text: string, key: Buffer): Result<JoinToken, string> {
  const token = readToken(text);
  const end = text.lastIndexOf('.');
  if (!token.ok) return token;
  const given = Buffer.from(text.slice(end + 1), 'base64url');
  const right = mac(text.slice(0, end), key);
  return given.length === right.length && timingSafeEqual(given, right) ? token : err('the signature is wrong');
}

function mac(content: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(content).digest();
}

function isToken(value: unknown): value is JoinToken {
  if (typeof value !== 'object' || value === null) return false;
  const { id, agent, expiresMs, joinAt, gateway, caFingerprint: pin }: Partial<Record<keyof JoinToken, unknown>> = value;
  const texts = [id, agent, joinAt, gateway, pin];
  return texts.every((text) => typeof text === 'string' && text !== '') && Number.isSafeInteger(expiresMs) && isName(String(agent)) && /^[0-9a-f]{64}$/.test(String(pin));
}
