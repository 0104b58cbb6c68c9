import { readFile } from 'node:fs/promises';
import type { Result } from '../../src/lib/result.js';
import { formatFault } from '../../src/lib/result.js';
import { initCa, issueAgent, issueClient, issueGateway } from '../../src/pki/pki.js';
import type { Issued } from '../../src/pki/pki.js';

/** Files of one certificate and its key. */
export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A whole PKI in a folder, made by the product's own `scrapeway pki`. */
export interface TestPki {
  readonly serverCaFile: string;
  readonly agentsCaFile: string;
  readonly clientsCaFile: string;
  /** For `localhost` and 127.0.0.1. */
  readonly gateway: CertificateFiles;
  agent(name: string): Promise<CertificateFiles>;
  client(tenant: string): Promise<CertificateFiles>;
}

/** Makes the roots and the gateway's certificate in `dir`, which must not have any yet. */
export async function createTestPki(dir: string): Promise<TestPki> {
  const files = unwrap(await initCa({ dir, name: 'test' }));
  const gateway = unwrap(await issueGateway({ dir, names: ['localhost'], ips: ['127.0.0.1'] }));
  return {
    serverCaFile: only(files, 'server-ca.crt'),
    agentsCaFile: only(files, 'agents-ca.crt'),
    clientsCaFile: only(files, 'clients-ca.crt'),
    gateway,
    agent: once(async (name) => issued(await issueAgent({ dir, name }))),
    client: once(async (tenant) => issued(await issueClient({ dir, tenant }))),
  };
}

/** The contents, for a client's TLS options. */
export async function readPair({ certificateFile, keyFile }: CertificateFiles): Promise<{ readonly cert: Buffer; readonly key: Buffer }> {
  return { cert: await readFile(certificateFile), key: await readFile(keyFile) };
}

/** One certificate a name, whoever asks first. */
function once(issue: (name: string) => Promise<CertificateFiles>): (name: string) => Promise<CertificateFiles> {
  const made = new Map<string, Promise<CertificateFiles>>();
  return (name) => {
    const files = made.get(name) ?? issue(name);
    made.set(name, files);
    return files;
  };
}

function issued(result: Result<Issued>): CertificateFiles {
  const { certificateFile, keyFile } = unwrap(result);
  return { certificateFile, keyFile };
}

function only(files: readonly string[], name: string): string {
  const file = files.find((each) => each.endsWith(`/${name}`));
  if (file === undefined) throw new Error(`pki init made no ${name}`);
  return file;
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.map((fault) => formatFault(fault)).join('\n'));
  return result.value;
}
