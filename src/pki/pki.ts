import { access, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import { certificateInfo, keyBelongsTo } from '../lib/certificate.js';
import type { CertificateInfo, SubjectAltName } from '../lib/certificate.js';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { agentUri, tenantUri } from '../model/identity.js';
import { isName, NAME_RULE } from '../model/names.js';
import { createAuthority, issueLeaf } from './certificate.js';
import type { KeyPairPem, LeafProfile } from './certificate.js';
import { writeFileAtomically } from '../lib/files.js';

/**
 * A PKI for people without one, in one directory: `scrapeway pki init`, `scrapeway pki issue …`.
 *
 * The one idea: trust is apart by construction. Three roots, one for each question that a TLS handshake asks here: "is this
 * the gateway?" (agents and Prometheus trust `server-ca`), "is this an agent?" (the agents' listener trusts `agents-ca`),
 * "is this a tenant?" (the scrape listener trusts `clients-ca`). A tenant's certificate can so never open a tunnel.
 */

export type Authority = 'server-ca' | 'agents-ca' | 'clients-ca';

const AUTHORITIES: readonly Authority[] = ['server-ca', 'agents-ca', 'clients-ca'];

const DEFAULT_CA_DAYS = 3650;
const DEFAULT_LEAF_DAYS = 365;
const MAX_DAYS = 36_500;
/** Upper bound of X.520's commonName. */
const MAX_COMMON_NAME = 64;
const DNS_NAME = /^(?:\*\.)?(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

export interface InitOptions {
  readonly dir: string;
  /** Stands before "server-ca" and its like in the roots' names. Default: `scrapeway`. */
  readonly name?: string;
  /** Validity of the roots, days. Default: 3650. */
  readonly days?: number;
}

export interface IssueOptions {
  /** The directory that `initCa` made. */
  readonly dir: string;
  /** Validity, days; cut to the root's. Default: 365. */
  readonly days?: number;
  /** Replace an existing certificate and its key; without it an existing file is a fault. */
  readonly renew?: boolean;
}

export interface Issued {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly info: CertificateInfo;
}

/** Makes the three roots. Refuses when any of their files exists: a lost root key is a lost site. */
export async function initCa({ dir, name = 'scrapeway', days = DEFAULT_CA_DAYS }: InitOptions): Promise<Result<readonly string[]>> {
  const faults = [...dayFaults(days), ...(name.length >= 1 && name.length <= 40 ? [] : [{ place: 'name', message: 'must be 1 to 40 characters' }])];
  const files = AUTHORITIES.flatMap((authority) => [certificateFile(dir, authority), keyFile(dir, authority)]);
  const existing = await existingFiles(files);
  faults.push(...existing.map((file) => ({ place: file, message: 'exists already; a root is never overwritten, choose another directory' })));
  if (faults.length > 0) return err(faults);
  for (const authority of AUTHORITIES) {
    const pair = await createAuthority({ commonName: `${name} ${authority}`, days });
    const written = await writePair(path.join(dir, authority), pair, false);
    if (!written.ok) return written;
  }
  return ok(files);
}

/** `gateway.crt` and `gateway.key`: what Envoy shows on both listeners. */
export async function issueGateway(options: IssueOptions & { readonly names: readonly string[]; readonly ips?: readonly string[] }): Promise<Result<Issued>> {
  const { names, ips = [] } = options;
  const faults = [
    ...names.filter((name) => !DNS_NAME.test(name)).map((name) => ({ place: 'names', message: `"${name}" is not a DNS name` })),
    ...ips.filter((ip) => isIP(ip) === 0).map((ip) => ({ place: 'ips', message: `"${ip}" is not an IP address` })),
  ];
  if (names.length + ips.length === 0) faults.push({ place: 'names', message: 'at least one DNS name or IP address is needed: clients check it' });
  const commonName = [...names, ...ips].find((name) => name.length <= MAX_COMMON_NAME) ?? 'scrapeway gateway';
  const sans: SubjectAltName[] = [...names.map((value) => ({ type: 'dns', value }) as const), ...ips.map((value) => ({ type: 'ip', value }) as const)];
  return issue(options, faults, { authority: 'server-ca', base: 'gateway', commonName, sans, usage: 'server' });
}

/** `agents/<name>.crt` and `.key`: what an agent shows when it dials the gateway. */
export async function issueAgent(options: IssueOptions & { readonly name: string }): Promise<Result<Issued>> {
  const { name } = options;
  return issue(options, nameFaults('name', name), {
    authority: 'agents-ca',
    base: path.join('agents', name),
    commonName: name,
    sans: [{ type: 'uri', value: agentUri(name) }],
    usage: 'client',
  });
}

/** `clients/<tenant>.crt` and `.key`: what a tenant's Prometheus shows on the scrape door. */
export async function issueClient(options: IssueOptions & { readonly tenant: string }): Promise<Result<Issued>> {
  const { tenant } = options;
  return issue(options, nameFaults('tenant', tenant), {
    authority: 'clients-ca',
    base: path.join('clients', tenant),
    commonName: tenant,
    sans: [{ type: 'uri', value: tenantUri(tenant) }],
    usage: 'client',
  });
}

interface Request extends Omit<LeafProfile, 'days'> {
  readonly authority: Authority;
  /** Path of the files within the directory, without `.crt` and `.key`. */
  readonly base: string;
}

async function issue(options: IssueOptions, inputFaults: readonly Fault[], request: Request): Promise<Result<Issued>> {
  const { dir, days = DEFAULT_LEAF_DAYS, renew = false } = options;
  const faults = [...inputFaults, ...dayFaults(days)];
  if (faults.length > 0) return err(faults);
  const authority = await readAuthority(dir, request.authority);
  if (!authority.ok) return authority;
  const base = path.join(dir, request.base);
  if (!renew) {
    const existing = await existingFiles([`${base}.crt`, `${base}.key`]);
    if (existing.length > 0) return err(existing.map((file) => ({ place: file, message: 'exists already; ask for renewal to replace it' })));
  }
  const pair = await issueLeaf(authority.value, { commonName: request.commonName, sans: request.sans, usage: request.usage, days });
  const written = await writePair(base, pair, renew);
  if (!written.ok) return written;
  const info = certificateInfo(pair.certificatePem);
  if (!info.ok) throw new Error(`a certificate of our own making cannot be read: ${info.error}`);
  return ok({ certificateFile: `${base}.crt`, keyFile: `${base}.key`, info: info.value });
}

async function readAuthority(dir: string, authority: Authority): Promise<Result<KeyPairPem>> {
  const certificatePem = await readText(certificateFile(dir, authority));
  const privateKeyPem = await readText(keyFile(dir, authority));
  const faults = [certificatePem, privateKeyPem].flatMap((read) => (read.ok ? [] : read.error));
  if (!certificatePem.ok || !privateKeyPem.ok) return err(faults);
  const matches = keyBelongsTo(certificatePem.value, privateKeyPem.value);
  if (!matches.ok) return err([{ place: path.join(dir, authority), message: matches.error }]);
  if (!matches.value) return err([{ place: keyFile(dir, authority), message: `is not the key of ${certificateFile(dir, authority)}` }]);
  const info = certificateInfo(certificatePem.value);
  if (info.ok && info.value.notAfter.getTime() <= Date.now()) {
    return err([{ place: certificateFile(dir, authority), message: `expired on ${info.value.notAfter.toISOString()}; make a new directory with pki init` }]);
  }
  return ok({ certificatePem: certificatePem.value, privateKeyPem: privateKeyPem.value });
}

async function readText(file: string): Promise<Result<string>> {
  try {
    return ok(await readFile(file, 'utf8'));
  } catch (error) {
    return err([{ place: file, message: `cannot be read (${errnoOf(error) ?? 'unknown error'}); was the directory made by pki init?` }]);
  }
}

/** The key first: a reader that looks in between sees the old certificate with a key that does not fit, and waits for more. */
async function writePair(base: string, pair: KeyPairPem, replace: boolean): Promise<Result<undefined>> {
  const files = [
    { path: `${base}.key`, content: pair.privateKeyPem, mode: 0o600 },
    { path: `${base}.crt`, content: pair.certificatePem, mode: 0o644 },
  ];
  for (const file of files) {
    try {
      await writeFileAtomically(file, { replace });
    } catch (error) {
      return err([{ place: file.path, message: `cannot be written (${errnoOf(error) ?? 'unknown error'})` }]);
    }
  }
  return ok(undefined);
}

async function existingFiles(files: readonly string[]): Promise<string[]> {
  const found = await Promise.all(files.map(async (file) => access(file).then(() => [file], () => [])));
  return found.flat();
}

function certificateFile(dir: string, authority: Authority): string {
  return path.join(dir, `${authority}.crt`);
}

function keyFile(dir: string, authority: Authority): string {
  return path.join(dir, `${authority}.key`);
}

function nameFaults(place: string, name: string): Fault[] {
  return isName(name) ? [] : [{ place, message: NAME_RULE }];
}

function dayFaults(days: number): Fault[] {
  return Number.isInteger(days) && days >= 1 && days <= MAX_DAYS ? [] : [{ place: 'days', message: `must be a whole number from 1 to ${MAX_DAYS}` }];
}
