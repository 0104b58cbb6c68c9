import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SubjectAltName } from '../../src/lib/certificate.js';
import { createAuthority, issueLeaf } from '../../src/pki/certificate.js';
import type { CertificateFiles } from './certificates.js';

/** A certificate whose time ends now, in the place of another one. */

const DAY_MS = 86_400_000;

export interface ExpiringOptions {
  /** Folder of the test's PKI. */
  readonly dir: string;
  readonly authority: 'server-ca' | 'agents-ca' | 'clients-ca';
  readonly san: SubjectAltName;
  /** Valid from an hour ago until then, ms from now; negative: it has ended already. */
  readonly endsInMs: number;
}

/** A new CA in the place of one, for as short a time. What it is to sign must be made anew. Resolves with its end, ms since the epoch. */
export async function replaceAuthorityByExpiring({ dir, authority, endsInMs }: Omit<ExpiringOptions, 'san'>): Promise<number> {
  const madeMs = Date.now() - 3_600_000;
  const pair = await createAuthority({ commonName: authority, nowMs: madeMs, days: (3_600_000 + endsInMs) / DAY_MS });
  await writeFile(path.join(dir, `${authority}.key`), pair.privateKeyPem);
  await writeFile(path.join(dir, `${authority}.crt`), pair.certificatePem);
  return madeMs + 3_600_000 + endsInMs;
}

/** Resolves with its end, ms since the epoch. */
export async function replaceByExpiring({ certificateFile, keyFile }: CertificateFiles, { dir, authority, san, endsInMs }: ExpiringOptions): Promise<number> {
  const file = (end: string): Promise<string> => readFile(path.join(dir, `${authority}.${end}`), 'utf8');
  const ca = { certificatePem: await file('crt'), privateKeyPem: await file('key') };
  const madeMs = Date.now() - 3_600_000;
  const usage = authority === 'server-ca' ? 'server' : 'client';
  const pair = await issueLeaf(ca, { commonName: 'expiring', sans: [san], usage, nowMs: madeMs, days: (3_600_000 + endsInMs) / DAY_MS });
  await writeFile(keyFile, pair.privateKeyPem);
  await writeFile(certificateFile, pair.certificatePem);
  return madeMs + 3_600_000 + endsInMs;
}
