import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { claimsOf } from '../model/entry.js';
import type { Entry, EntryKind, EntryOf, EntryValues } from '../model/entry.js';
import { compileBackendGroups, compileBackends } from './backends.js';
import { compilePushTargets } from './push-targets.js';
import { Draft } from './draft.js';
import type { TextSource } from './draft.js';
import { compileExportDestinations } from './export-destinations.js';
import type { GatewayFile } from './gateway-file.js';
import { compileSites } from './gateway-sites.js';
import { compileIssuerList } from './issuers.js';
import { checkOf } from './load.js';
import { compileRevoked } from './revoked.js';
import { compileFrontProxies, compileTemplateList } from './templates.js';
import { compileAgents, compileTenants } from './tenants.js';

/**
 * An object of the cluster as what it is: one entry of the file. `metadata.name` is its name, its `spec` the rest; a key that ends in
 * Secret (`tokenSecret: { name, key }`) stands where the file has one that ends in File, and so do lists of them. So the file's schema
 * and the file's compiler are the object's too, and what is wrong is said in the same words, with the object's own places.
 *
 * What other entries there are is nobody's business here: an object that refers to another may be there before it.
 */
export interface CompiledEntry {
  readonly entry: Entry;
  /** What no other entry may claim. */
  readonly claims: readonly string[];
  /** What was left out of it: credentials that cannot be read. */
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface EntrySource {
  readonly kind: EntryKind;
  readonly name: string;
  readonly spec: unknown;
  /** The text at a key of a Secret. */
  readonly secret: (name: string, key: string) => Result<string, string>;
  readonly nowMs: number;
}

/** The entry, or all that is wrong with it. Never rejects for what stands in the object. */
export async function compileObjectEntry(source: EntrySource): Promise<Result<CompiledEntry>> {
  const given = withFiles(source.spec);
  const first = await attempt(source, given);
  if (first.ok || source.kind !== 'tenants') return first;
  // One Secret that is missing must not take the tenant's other credentials away.
  const broken = new Set(first.error.flatMap(({ place }) => /^spec\.credentials\[(\d+)\]/.exec(place)?.[1] ?? []).map(Number));
  if (broken.size === 0 || first.error.some(({ place }) => !place.startsWith('spec.credentials['))) return first;
  const rest = await attempt(source, { ...Object(given), credentials: credentialsOf(given).filter((_credential, index) => !broken.has(index)) });
  return rest.ok ? ok({ ...rest.value, faults: first.error }) : first;
}

function credentialsOf(spec: unknown): readonly unknown[] {
  const list: unknown = typeof spec === 'object' && spec !== null ? Reflect.get(spec, 'credentials') : undefined;
  return Array.isArray(list) ? list : [];
}

async function attempt(source: EntrySource, given: unknown): Promise<Result<CompiledEntry>> {
  const { kind, nowMs } = source;
  const value: unknown = structuredClone({ [kind]: inFile(source, given) });
  // The file's own check, which is made already; of what else a file must have, an object knows nothing.
  const schemaFaults = checkOf('gateway')(value).filter(({ path: [key] }) => key === kind);
  const nowhere = { line: 1, column: 1 };
  const draft = new Draft({ source: { value, faults: [], positionOf: () => nowhere, positionOfKey: () => nowhere }, schemaFaults, files: secretsAsFiles(source), folder: '/', nowMs });
  const entry = isFile(value) ? await COMPILE[kind](draft, value) : undefined;
  const faults = draft.faults.map((fault) => inObject(fault, kind));
  if (faults.length > 0 || entry === undefined) return err(faults.length > 0 ? faults : [{ place: 'spec', message: 'cannot be read' }]);
  return ok({ entry, claims: claimsOf(entry), faults: [], warnings: draft.warnings.map((warning) => inObject(warning, kind)) });
}

/** What the file would have under its key. */
function inFile({ kind, name }: EntrySource, given: unknown): unknown {
  switch (kind) {
    case 'revoked':
      return given;
    case 'frontProxies':
      // Without a name: its certificate is what is unique.
      return [given];
    case 'tenants':
      // Without any credential a tenant is one by name only: front proxies and service accounts of its namespace speak for it.
      return [{ credentials: [], ...Object(given), name }];
    default:
      return [{ ...Object(given), name }];
  }
}

/** What the schema has passed; Draft keeps the compiler away from the rest. */
function isFile(value: unknown): value is Pick<GatewayFile, EntryKind> {
  return typeof value === 'object' && value !== null;
}

type OneList = Pick<GatewayFile, EntryKind>;

/** Each by the file's own compiler, given its own list only: of the others nothing is known. */
const COMPILE: { readonly [K in EntryKind]: (draft: Draft, file: OneList) => Promise<EntryOf<K> | undefined> } = {
  tenants: async (draft, { tenants }) => entryOf('tenants', (await compileTenants(draft, { tenants }))[0]),
  agents: async (draft, { agents }) => entryOf('agents', (await compileAgents(draft, { agents }))[0]),
  sites: async (draft, { sites }) => entryOf('sites', (await compileSites(draft, { sites }))[0]),
  templates: async (draft, { templates }) => entryOf('templates', (await compileTemplateList(draft, { templates }))[0]),
  issuers: async (draft, { issuers }) => entryOf('issuers', (await compileIssuerList(draft, { issuers }))[0]),
  backends: async (draft, { backends }) => entryOf('backends', (await compileBackends(draft, { backends }))[0]),
  backendGroups: async (draft, { backendGroups }) => entryOf('backendGroups', (await compileBackendGroups(draft, { backendGroups }))[0]),
  pushTargets: async (draft, { pushTargets }) => entryOf('pushTargets', (await compilePushTargets(draft, { pushTargets }))[0]),
  exportDestinations: async (draft, { exportDestinations }) => entryOf('exportDestinations', (await compileExportDestinations(draft, { exportDestinations }))[0]),
  frontProxies: async (draft, { frontProxies }) => entryOf('frontProxies', (await compileFrontProxies(draft, { frontProxies }, []))[0]),
  revoked: async (draft, { revoked }) => entryOf('revoked', await draft.within(['revoked'], () => compileRevoked(draft, revoked))),
};

function entryOf<K extends EntryKind>(kind: K, value: EntryValues[K] | undefined): EntryOf<K> | undefined {
  return value === undefined ? undefined : { kind, value };
}

/** `tokenSecret: { name: shop, key: token }` → `tokenFile: /shop/token`, at any depth; `crlSecrets: […]` → `crlFiles: […]`. */
function withFiles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withFiles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const file = key.endsWith('Secret') ? secretPath(inner) : key.endsWith('Secrets') && Array.isArray(inner) ? inner.map((each) => secretPath(each) ?? each) : undefined;
      return file === undefined ? [key, withFiles(inner)] : [key.replace(/Secret(s?)$/, 'File$1'), file];
    }),
  );
}

function secretPath(reference: unknown): string | undefined {
  if (typeof reference !== 'object' || reference === null) return undefined;
  const [name, key]: readonly unknown[] = [Reflect.get(reference, 'name'), Reflect.get(reference, 'key')];
  return typeof name === 'string' && typeof key === 'string' ? `/${name}/${key}` : undefined;
}

function secretsAsFiles({ secret }: EntrySource): TextSource {
  return {
    read: (file) => {
      // Names and keys of Secrets have no slash; what else stands in the object is no reference, and no file of ours.
      const [, name, key, ...more] = file.split('/');
      return Promise.resolve(name === undefined || key === undefined || more.length > 0 ? err('is no reference to a Secret') : secret(name, key));
    },
    secretFault: (problem) => `the Secret that it names ${problem}`,
  };
}

/** `tenants[0].credentials[1].bearer.tokenFile` → `spec.credentials[1].bearer.tokenSecret` */
function inObject({ place, message }: Fault, kind: EntryKind): Fault {
  const rest = place.replace(new RegExp(`^${kind}(?:\\[0\\])?\\.?`), '').replace(/File(s?(?:\[\d+\])?)$/, 'Secret$1');
  return { place: rest === 'name' ? 'metadata.name' : ['spec', rest].filter((part) => part !== '').join('.'), message };
}
