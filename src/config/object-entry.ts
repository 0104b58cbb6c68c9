import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import type { Agent, Backend, Tenant } from '../model/desired-state.js';
import { compileBackends } from './backends.js';
import { credentialKey } from './credentials.js';
import { Draft } from './draft.js';
import type { TextSource } from './draft.js';
import type { AgentEntryFile, BackendFile, TenantFile } from './gateway-file.js';
import { createListCheck } from './schema.js';
import { compileAgents, compileTenants } from './tenants.js';

/**
 * An object of the cluster as what it is: one entry of the file. `metadata.name` is its name, its `spec` the rest; a key that ends in
 * Secret (`tokenSecret: { name, key }`) stands where the file has one that ends in File. So the file's schema and the file's compiler
 * are the object's too, and what is wrong is said in the same words, with the object's own places.
 *
 * What other entries there are is nobody's business here: an object that refers to another may be there before it.
 */
export type ObjectEntry =
  | { readonly kind: 'tenants'; readonly tenant: Tenant }
  | { readonly kind: 'agents'; readonly agent: Agent }
  | { readonly kind: 'backends'; readonly backend: Backend };

export interface CompiledEntry {
  readonly entry: ObjectEntry;
  /** What no other entry may claim. */
  readonly claims: readonly string[];
  /** What was left out of it: credentials that cannot be read. */
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface EntrySource {
  readonly kind: ObjectEntry['kind'];
  readonly name: string;
  readonly spec: unknown;
  /** The text at a key of a Secret. */
  readonly secret: (name: string, key: string) => Result<string, string>;
  readonly nowMs: number;
}

const CHECKS = { tenants: createListCheck('gateway', 'tenants'), agents: createListCheck('gateway', 'agents'), backends: createListCheck('gateway', 'backends') };

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
  const { kind, name, nowMs } = source;
  // Without any credential a tenant is one by name only: front proxies and service accounts of its namespace speak for it.
  const value: unknown = structuredClone({ [kind]: [{ ...(kind === 'tenants' && { credentials: [] }), ...Object(given), name }] });
  const schemaFaults = CHECKS[kind](value);
  const nowhere = { line: 1, column: 1 };
  const draft = new Draft({ source: { value, faults: [], positionOf: () => nowhere, positionOfKey: () => nowhere }, schemaFaults, files: secretsAsFiles(source), folder: '/', nowMs });
  const compiled = isList(value) ? await compileOne(draft, kind, value) : undefined;
  const faults = draft.faults.map((fault) => inObject(fault, kind));
  if (faults.length > 0 || compiled === undefined) return err(faults.length > 0 ? faults : [{ place: 'spec', message: 'cannot be read' }]);
  return ok({ ...compiled, faults: [], warnings: draft.warnings.map((warning) => inObject(warning, kind)) });
}

/** What the schema has passed; Draft keeps the compiler away from the rest. */
interface Lists {
  readonly tenants: readonly TenantFile[];
  readonly agents: readonly AgentEntryFile[];
  readonly backends: readonly BackendFile[];
}

function isList(value: unknown): value is Lists {
  return typeof value === 'object' && value !== null;
}

async function compileOne(draft: Draft, kind: ObjectEntry['kind'], { tenants, agents, backends }: Lists): Promise<Pick<CompiledEntry, 'entry' | 'claims'> | undefined> {
  switch (kind) {
    case 'tenants': {
      const [tenant] = await compileTenants(draft, { tenants });
      return tenant && { entry: { kind, tenant }, claims: claimsOfTenant(tenant) };
    }
    case 'agents': {
      const [agent] = await compileAgents(draft, { agents });
      return agent && { entry: { kind, agent }, claims: claimsOfAgent(agent) };
    }
    case 'backends': {
      const [backend] = await compileBackends(draft, { backends });
      return backend && { entry: { kind, backend }, claims: claimsOfBackend(backend) };
    }
  }
}

export function claimsOfTenant({ name, credentials }: Tenant): readonly string[] {
  return [`tenant ${name}`, ...credentials.map((credential) => `credential ${credentialKey(credential)}`)];
}

export function claimsOfAgent({ name, san }: Agent): readonly string[] {
  return [`agent ${name}`, `agent's certificate ${san.type} ${san.value}`];
}

export function claimsOfBackend({ name }: Backend): readonly string[] {
  return [`backend ${name}`];
}

/** `tokenSecret: { name: shop, key: token }` → `tokenFile: /shop/token`, at any depth. */
function withFiles(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withFiles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const file = key.endsWith('Secret') ? secretPath(inner) : undefined;
      return file === undefined ? [key, withFiles(inner)] : [`${key.slice(0, -'Secret'.length)}File`, file];
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
function inObject({ place, message }: Fault, kind: string): Fault {
  const rest = place.replace(new RegExp(`^${kind}(?:\\[0\\])?\\.?`), '').replace(/File$/, 'Secret');
  return { place: rest === 'name' ? 'metadata.name' : ['spec', rest].filter((part) => part !== '').join('.'), message };
}
