import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Environment } from '../../src/config/env.js';
import type { Fault } from '../../src/lib/result.js';
import { createAuthority, issueLeaf } from '../../src/pki/certificate.js';
import type { KeyPairPem } from '../../src/pki/certificate.js';
import { createTestPki } from './certificates.js';
import { createTempDir } from './temp-dir.js';
import type { TempDir } from './temp-dir.js';

/**
 * A folder with every file that a configuration under test may name, sound ones and bad ones, and sound configurations to
 * spoil. A `‸` in a text marks where a fault is to be shown: the tests write down positions by pointing at them.
 */
export interface ConfigFolder extends TempDir {
  /** Writes a file into it; the absolute path. */
  write(name: string, text: string): Promise<string>;
}

export const DAY_MS = 86_400_000;
export const BCRYPT_HASH = `$2b$10$${'Abcdefghij'.repeat(5)}Klm`;
export const TOKEN = '0123456789abcdef0123456789abcdef';
export const NO_ENVIRONMENT: Environment = {
  logLevel: undefined,
  runtimeDir: undefined,
  envoyPath: undefined,
  path: [],
  cacheDir: '/nowhere',
  binaries: { prometheusBin: undefined, nodeExporterBin: undefined },
};

export const GATEWAY = `gateway:
  id: gw-1
  names: [localhost]
listeners:
  scrape:
    address: 127.0.0.1:9443
    tls:
      certFile: gateway.crt
      keyFile: gateway.key
      clientCaFiles: [clients-ca.crt]
  agents:
    address: 127.0.0.1:8443
    tls:
      certFile: ./gateway.crt
      keyFile: ./gateway.key
      clientCaFiles: [agents-ca.crt]
tenants:
  - name: team-a
    credentials:
      - certificate: { uri: 'spiffe://scrapeway/tenant/team-a' }
      - basic: { user: team-a, passwordHashFile: team-a.bcrypt }
      - bearer: { tokenFile: team-a.token }
    scrape:
      - agents: [site-a]
        selector: '{env="prod"}'
  - name: team-b
    credentials:
      - bearer: { sha256: ${'ab'.repeat(32)} }
agents:
  - name: site-a
    tenants: [team-a, team-b]
  - name: site-b
    tenants: [team-a]
    certificate: { dns: site-b.example }
`;

export const AGENT = `gateways:
  - address: gateway.example:8443
tls:
  certFile: agents/site-a.crt
  keyFile: agents/site-a.key
  caFile: server-ca.crt
targets:
  - name: node
    url: http://127.0.0.1:9100/metrics
  - name: app
    url: https://app.example/federate?x=1
    labels: { env: prod }
    basic: { user: scraper, passwordFile: password }
`;

/** Makes the folder. Certificates are real ones, judged by the real time. */
export async function createConfigFolder(): Promise<ConfigFolder> {
  const dir = await createTempDir();
  const write = async (name: string, text: string): Promise<string> => {
    const file = dir.join(name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const pki = await createTestPki(dir.path);
  await pki.agent('site-a');
  await writeBadCertificates(write);
  const texts = { 'team-a.bcrypt': `${BCRYPT_HASH}\n`, 'team-a.token': `${TOKEN}\n`, password: 'pass:word\n', empty: '\n', 'no-pem': 'nothing of use\n', 'short.token': 'sesame\n', 'two-lines': 'open\nsesame\n' };
  for (const [name, text] of Object.entries(texts)) await write(name, text);
  return { ...dir, write };
}

/** `expired`, `future`, `soon` (a week off), each with a CA of the same age; `mixed-ca.crt`: an expired root beside a sound one. */
async function writeBadCertificates(write: ConfigFolder['write']): Promise<void> {
  const nowMs = Date.now();
  const sound = await createAuthority({ commonName: 'sound', days: 100 });
  const ages = { expired: { days: 1, nowMs: nowMs - 3 * DAY_MS }, future: { days: 3, nowMs: nowMs + DAY_MS }, soon: { days: 3, nowMs } };
  const authorities = new Map<string, KeyPairPem>();
  for (const [name, validity] of Object.entries(ages)) {
    const authority = await createAuthority({ commonName: `${name} ca`, ...validity });
    authorities.set(name, authority);
    await write(`${name}-ca.crt`, authority.certificatePem);
    const leaf = await issueLeaf(name === 'expired' ? sound : authority, { commonName: name, sans: [{ type: 'dns', value: 'localhost' }], usage: 'server', ...validity });
    await write(`${name}.crt`, leaf.certificatePem);
    await write(`${name}.key`, leaf.privateKeyPem);
  }
  await write('mixed-ca.crt', `${authorities.get('expired')?.certificatePem}${sound.certificatePem}`);
  const own = await issueLeaf(sound, { commonName: 'other', sans: [{ type: 'dns', value: 'other.example' }], usage: 'client', days: 100 });
  await write('other.crt', own.certificatePem);
  await write('other.key', own.privateKeyPem);
  await write('sound-ca.crt', sound.certificatePem);
  await write('broken.crt', sound.certificatePem.replace(/\n[^-]/, '\nXXXX'));
}

/** `text` with its only `from` replaced. Throws where there is not exactly one: a test that changes nothing proves nothing. */
export function changed(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`not exactly once in the text: ${from}`);
  return text.replace(from, () => to);
}

export interface Marked {
  readonly text: string;
  /** Of each mark, in order. */
  readonly positions: readonly { readonly line: number; readonly column: number }[];
}

/** Takes the marks out. */
export function marked(text: string): Marked {
  const parts = text.split('‸');
  const positions = parts.slice(0, -1).map((_, index) => {
    const before = parts.slice(0, index + 1).join('').split('\n');
    return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
  });
  return { text: parts.join(''), positions };
}

/** A fault as the tables of the tests have it. */
export function placed(fault: Fault): string {
  return `${fault.place}: ${fault.message}`;
}
