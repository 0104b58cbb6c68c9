import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { err, ok } from './result.js';
import type { Result } from './result.js';

/**
 * Reads certificates for people and for checks, by Node's own (OpenSSL's) parser: what TLS will see is what is judged here.
 */

export interface SubjectAltName {
  readonly type: 'dns' | 'uri' | 'ip';
  readonly value: string;
}

export interface CertificateInfo {
  /** `CN=gateway.example`, further attributes joined with ", ". */
  readonly subject: string;
  readonly issuer: string;
  /** DNS, URI and IP names in the certificate's order; other kinds are left out. */
  readonly sans: readonly SubjectAltName[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isCa: boolean;
  /** OIDs; empty = the certificate does not restrict its use. */
  readonly extendedKeyUsage: readonly string[];
  readonly serialNumber: string;
}

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

const CERTIFICATE_BLOCK = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const SAN_ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/y;

/** Every certificate of a PEM text in order; the error says why it cannot be read. */
export function certificatesInfo(pem: string): Result<readonly CertificateInfo[], string> {
  const parsed = parseAll(pem);
  return parsed.ok ? ok(parsed.value.map(describe)) : parsed;
}

/** The first certificate of a PEM text: in a chain, the leaf. */
export function certificateInfo(pem: string): Result<CertificateInfo, string> {
  const all = certificatesInfo(pem);
  if (!all.ok) return all;
  const [first] = all.value;
  return first === undefined ? err('holds no certificate') : ok(first);
}

/** Whether the private key belongs to the first certificate. The error says why the key or the certificate cannot be read. */
export function keyBelongsTo(certificatePem: string, privateKeyPem: string): Result<boolean, string> {
  const parsed = parseAll(certificatePem);
  if (!parsed.ok) return parsed;
  const [leaf] = parsed.value;
  const key = parseKey(privateKeyPem);
  if (leaf === undefined) return err('holds no certificate');
  return key.ok ? ok(leaf.checkPrivateKey(key.value)) : key;
}

/** Whether the certificate was signed by one of the given CA certificates. Dates are not looked at. */
export function issuedBy(certificatePem: string, caPem: string): boolean {
  const leaf = parseAll(certificatePem);
  const authorities = parseAll(caPem);
  const [first] = leaf.ok ? leaf.value : [];
  if (first === undefined || !authorities.ok) return false;
  return authorities.value.some((authority) => first.checkIssued(authority) && first.verify(authority.publicKey));
}

/** Whether a client that dials `name` (a DNS name or an IP address) would take the first certificate for it. */
export function coversName(certificatePem: string, name: string): boolean {
  const parsed = parseAll(certificatePem);
  const [leaf] = parsed.ok ? parsed.value : [];
  if (leaf === undefined) return false;
  return (isIP(name) === 0 ? leaf.checkHost(name, { subject: 'never' }) : leaf.checkIP(name)) !== undefined;
}

function parseAll(pem: string): Result<readonly X509Certificate[], string> {
  const blocks = pem.match(CERTIFICATE_BLOCK);
  if (blocks === null) return err('holds no PEM certificate (-----BEGIN CERTIFICATE-----)');
  const certificates: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return err(`certificate ${index + 1} in it cannot be parsed`);
    }
  }
  return ok(certificates);
}

/** Never passes on OpenSSL's text: it could quote the key. */
function parseKey(pem: string): Result<KeyObject, string> {
  if (!/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/.test(pem)) return err('holds no PEM private key (-----BEGIN PRIVATE KEY-----)');
  if (/ENCRYPTED/.test(pem)) return err('holds an encrypted private key; decrypt it first, for instance with "openssl pkey"');
  try {
    return ok(createPrivateKey(pem));
  } catch {
    return err('the private key in it cannot be parsed');
  }
}

function describe(certificate: X509Certificate): CertificateInfo {
  return {
    subject: certificate.subject.split('\n').join(', '),
    issuer: certificate.issuer.split('\n').join(', '),
    sans: parseSans(certificate.subjectAltName ?? ''),
    notBefore: new Date(certificate.validFrom),
    notAfter: new Date(certificate.validTo),
    isCa: certificate.ca,
    // Node names the extended key usage `keyUsage`; undefined at run time where there is none, whatever its type says.
    extendedKeyUsage: (certificate.keyUsage as readonly string[] | undefined) ?? [],
    serialNumber: certificate.serialNumber.toLowerCase(),
  };
}

/** Node's text form: `DNS:a.example, URI:spiffe://…, IP Address:10.0.0.1`; values with odd characters are JSON strings. */
function parseSans(text: string): SubjectAltName[] {
  const sans: SubjectAltName[] = [];
  SAN_ENTRY.lastIndex = 0;
  for (let entry = SAN_ENTRY.exec(text); entry !== null && entry[0] !== ''; entry = SAN_ENTRY.exec(text)) {
    const [, kind = '', raw = ''] = entry;
    const value: unknown = raw.startsWith('"') ? JSON.parse(raw) : raw;
    const type = kind === 'DNS' ? 'dns' : kind === 'URI' ? 'uri' : kind === 'IP Address' ? 'ip' : undefined;
    if (type !== undefined && typeof value === 'string') sans.push({ type, value });
  }
  return sans;
}
