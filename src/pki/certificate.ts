import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { CLIENT_AUTH, SERVER_AUTH } from '../lib/certificate.js';
import type { SubjectAltName } from '../lib/certificate.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * Makes certificates in memory: a root that signs, and leaves of one purpose each. No files, no names of ours.
 *
 * The one idea: there are only two shapes, `authority` and `leaf`, and both are a pair of PEM texts.
 */

export interface KeyPairPem {
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
}

export interface Validity {
  /** Days from now. A leaf never outlives its authority: its end is cut to the authority's. */
  readonly days: number;
  /** Wall clock, ms since the epoch; for tests. */
  readonly nowMs?: number;
}

export interface LeafProfile extends Validity {
  readonly commonName: string;
  readonly sans: readonly SubjectAltName[];
  readonly usage: 'server' | 'client';
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Sites' clocks drift; a certificate made a moment ago must already be valid there. */
const BACKDATE_MS = 5 * 60_000;

/** A self-signed root that may sign leaves only (path length 0). */
export async function createAuthority(options: Validity & { readonly commonName: string }): Promise<KeyPairPem> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const name = distinguishedName(options.commonName);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: name,
    issuer: name,
    ...validity(options),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return toPem(certificate, keys.privateKey);
}

/** A leaf with a key of its own, signed by `authority`. Throws when the authority's PEM texts are not an EC P-256 pair. */
export async function issueLeaf(authority: KeyPairPem, profile: LeafProfile): Promise<KeyPairPem> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return toPem(await signLeaf(authority, keys.publicKey, { ...profile, ...validity(profile) }), keys.privateKey);
}

/** What somebody else wants a certificate for: a public key, and the proof that they have the private one. Names in it count for nothing. */
export interface CertificateRequest {
  /** SPKI, DER. */
  readonly publicKey: Buffer;
}

/** A new key, and a request for it. PEM texts. */
export async function createRequest(commonName: string): Promise<{ readonly requestPem: string; readonly privateKeyPem: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: distinguishedName(commonName), keys, signingAlgorithm: ALGORITHM });
  return { requestPem: `${request.toString('pem')}\n`, privateKeyPem: await privateKeyText(keys.privateKey) };
}

/** Outside input. Keys of EC P-256 only: what agents make, and cheap to verify. */
export async function readRequest(pem: string): Promise<Result<CertificateRequest, string>> {
  try {
    const request = new Pkcs10CertificateRequest(pem);
    const publicKey = Buffer.from(request.publicKey.rawData);
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
    if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1') return err('the key must be EC P-256');
    return (await request.verify()) ? ok({ publicKey }) : err('the request is not signed with its key');
  } catch {
    return err('not a certificate request');
  }
}

export interface RequestedLeaf extends Omit<LeafProfile, 'days' | 'nowMs'> {
  readonly notBefore: Date;
  /** Cut to the authority's. */
  readonly notAfter: Date;
}

/** A leaf for a request that was read. PEM. Throws as `issueLeaf`. */
export async function issueRequested(authority: KeyPairPem, { publicKey }: CertificateRequest, leaf: RequestedLeaf): Promise<string> {
  const key = await webcrypto.subtle.importKey('spki', publicKey, ALGORITHM, true, ['verify']);
  return `${(await signLeaf(authority, key, leaf)).toString('pem')}\n`;
}

async function signLeaf(authority: KeyPairPem, publicKey: webcrypto.CryptoKey, { commonName, sans, usage, notBefore, notAfter }: RequestedLeaf): Promise<X509Certificate> {
  const issuer = new X509Certificate(authority.certificatePem);
  return X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: distinguishedName(commonName),
    issuer: issuer.subjectName,
    notBefore,
    notAfter: notAfter > issuer.notAfter ? issuer.notAfter : notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: await importSigningKey(authority.privateKeyPem),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage === 'server' ? SERVER_AUTH : CLIENT_AUTH]),
      new SubjectAlternativeNameExtension(sans.map(({ type, value }) => ({ type: type === 'uri' ? 'url' : type, value }))),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
}

function validity({ days, nowMs = Date.now() }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

/** As an object, not as text: no character of the name can end the attribute. */
function distinguishedName(commonName: string): { CN: string[] }[] {
  return [{ CN: [commonName] }];
}

/** 128 random bits, the first cleared so that the ASN.1 integer is positive without a padding byte (RFC 5280 §4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function importSigningKey(pem: string): Promise<webcrypto.CryptoKey> {
  const pkcs8 = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']);
}

async function toPem(certificate: X509Certificate, privateKey: webcrypto.CryptoKey): Promise<KeyPairPem> {
  return { certificatePem: `${certificate.toString('pem')}\n`, privateKeyPem: await privateKeyText(privateKey) };
}

async function privateKeyText(privateKey: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }).toString();
}
