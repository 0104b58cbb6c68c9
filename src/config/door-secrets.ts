import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { SecretKey, SecretName } from '../model/kubernetes.js';
import { readCas, readPair, warnUncovered } from './certificates.js';
import { Draft } from './draft.js';
import type { TextSource } from './draft.js';

/**
 * A door's certificate and CAs as Secrets have them, judged as the file's own are: a Secret is a folder, its keys are files in it. So
 * what would be refused in a file is refused in a Secret, in the same words.
 */
export interface DoorSource {
  /** The text at a key of a Secret. */
  readonly text: (secret: SecretName, key: string) => Result<string, string>;
  readonly nowMs: number;
}

export interface DoorCertificate {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** kubernetes.io/tls, as cert-manager writes it. `names`: those that clients dial. */
export async function readDoorCertificate(secret: SecretName, { names, ...source }: DoorSource & { readonly names: readonly string[] }): Promise<Read<DoorCertificate>> {
  const draft = draftOf(source);
  const pair = await readPair(draft, [], { certFile: fileOf({ ...secret, key: 'tls.crt' }), keyFile: fileOf({ ...secret, key: 'tls.key' }), usage: 'server' });
  if (pair !== undefined) warnUncovered(draft, [], { pair, names });
  return readOf(draft, pair && { certificateChainPem: pair.chainPem, privateKeyPem: pair.privateKeyPem });
}

/** PEM texts, joined. */
export async function readDoorCas(secrets: readonly SecretKey[], source: DoorSource): Promise<Read<string>> {
  const draft = draftOf(source);
  return readOf(draft, await readCas(draft, secrets.map((secret) => ({ file: fileOf(secret), place: [] }))));
}

/** The error: everything that is wrong. */
export interface Read<T> {
  readonly result: Result<T, string>;
  readonly warnings: readonly string[];
}

function readOf<T>({ faults, warnings }: Draft, value: T | undefined): Read<T> {
  const said = faults.map(({ message }) => message.replace(/^\//, ''));
  return { result: value === undefined || said.length > 0 ? err(said.join('; ')) : ok(value), warnings: warnings.map(({ message }) => message.replace(/^\//, '')) };
}

/** Names of namespaces, Secrets and keys have no slash. */
function fileOf({ namespace, name, key }: SecretKey): string {
  return `/${namespace}/${name}/${key}`;
}

function draftOf({ text, nowMs }: DoorSource): Draft {
  const files: TextSource = {
    read: (file) => {
      const [, namespace = '', name = '', key = ''] = file.split('/');
      return Promise.resolve(text({ namespace, name }, key));
    },
    secretFault: (problem) => `the Secret ${problem}`,
  };
  const nowhere = { line: 1, column: 1 };
  return new Draft({ source: { value: {}, faults: [], positionOf: () => nowhere, positionOfKey: () => nowhere }, schemaFaults: [], files, folder: '/', nowMs });
}
