/**
 * A snapshot is everything that Envoy shall have at one moment: immutable, encoded once, and right by construction. The only
 * ways to make one check Envoy's validation rules (xds.md rule 24) and that whatever is named exists (rule 25).
 *
 * A version is a hash of the bytes (rule 23), so equal content keeps its version across publishes and restarts. A changed
 * snapshot costs as much as the change, however many resources there are.
 */
import { createHash } from 'node:crypto';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { encode } from './encode.js';
import { LayeredMap } from './layered-map.js';
import { referencesOf } from './references.js';
import type { Reference } from './references.js';
import { KINDS, RESOURCE_TYPES, resourceName } from './resource-types.js';
import type { Kind, ResourceMessage, ResourceSet, ResourceType, TypeUrl } from './resource-types.js';
import { validateMessage } from './validate.js';

/** One resource as it is sent. Never changed: equal content is the same object as in the snapshot before. */
export interface VersionedResource {
  readonly name: string;
  /** 12 hex digits of the hash of `bytes`: short, since a client that reconnects sends all of them (xds.md §2). */
  readonly version: string;
  /** The encoded message, the value of its `Any`. */
  readonly bytes: Uint8Array;
  readonly references: readonly Reference[];
}

/** By name. */
export type Resources = Pick<ReadonlyMap<string, VersionedResource>, 'get' | 'has' | 'size'> &
  Iterable<readonly [string, VersionedResource]> & { keys(): Iterable<string>; values(): Iterable<VersionedResource> };

/** All resources of one type. */
export interface TypeState {
  /** Changes exactly when a resource of the type comes, goes or changes. */
  readonly version: string;
  readonly resources: Resources;
}

export interface Snapshot {
  readonly version: string;
  readonly types: ReadonlyMap<TypeUrl, TypeState>;
}

/** A snapshot that can be changed cheaply. */
export interface CheckedSnapshot extends Snapshot {
  readonly types: ReadonlyMap<TypeUrl, CheckedState>;
  /** How often each resource is named by others, by `referenceKey`. */
  readonly users: LayeredMap<string, number>;
}

interface CheckedState extends TypeState {
  readonly resources: LayeredMap<string, VersionedResource>;
}

/** What differs from a snapshot. */
export interface ResourceChange {
  /** New, or in place of those of the same name. */
  readonly put?: Partial<ResourceSet>;
  readonly remove?: Partial<Readonly<Record<Kind, readonly string[]>>>;
}

/** Names by type. */
export type Changes = ReadonlyMap<TypeUrl, ReadonlySet<string>>;

const NOTHING: CheckedSnapshot = {
  version: '',
  types: new Map(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, { version: sumOf([]), resources: LayeredMap.of(new Map<string, VersionedResource>()) }])),
  users: LayeredMap.of(new Map()),
};

/**
 * Makes a snapshot of `set`, or says every fault. Resources that are in `previous` with the same bytes are taken over from it
 * and not checked again.
 */
export function makeSnapshot(set: ResourceSet, previous: CheckedSnapshot = NOTHING): Result<CheckedSnapshot> {
  const remove = Object.fromEntries(KINDS.map((kind) => [kind, goneFrom(stateOf(previous, kind).resources, set[kind])]));
  return changeSnapshot(previous, { put: set, remove });
}

function goneFrom(before: Resources, messages: readonly ResourceMessage[]): string[] {
  const names = new Set(messages.map(resourceName));
  return [...before.keys()].filter((name) => !names.has(name));
}

/** `previous` with a change, or every fault of the change. */
export function changeSnapshot(previous: CheckedSnapshot, { put = {}, remove = {} }: ResourceChange): Result<CheckedSnapshot> {
  const faults: Fault[] = [];
  const types = new Map(previous.types);
  const steps: Step[] = [];
  for (const kind of KINDS) {
    const type: ResourceType = RESOURCE_TYPES[kind];
    const before = stateOf(previous, kind);
    const made = versioned(type, put[kind] ?? [], before.resources);
    faults.push(...made.faults);
    const own = [...made.steps, ...(remove[kind] ?? []).map((name) => ({ kind, name, before: before.resources.get(name), after: undefined }))];
    if (own.length === 0) continue;
    steps.push(...own);
    types.set(type.url, { version: sumOf(own, before.version), resources: before.resources.with(own.map(({ name, after }) => [name, after] as const)) });
  }
  const snapshot: CheckedSnapshot = { version: hash([...types.values()].map((type) => type.version).join(' ')), types, users: usersAfter(previous.users, steps) };
  if (faults.length === 0 && mayBreakReferences(snapshot, steps)) faults.push(...missingReferences(types), ...unusedEndpoints(snapshot));
  return faults.length > 0 ? err(faults) : ok(snapshot);
}

/** One resource that differs. */
interface Step {
  readonly kind: Kind;
  readonly name: string;
  readonly before: VersionedResource | undefined;
  readonly after: VersionedResource | undefined;
}

function versioned({ kind, schema }: ResourceType, messages: readonly ResourceMessage[], previous: Resources): { readonly steps: readonly Step[]; readonly faults: readonly Fault[] } {
  const seen = new Set<string>();
  const steps: Step[] = [];
  const faults: Fault[] = [];
  for (const message of messages) {
    const name = resourceName(message);
    const root = `${kind} "${name}"`;
    if (name === '') faults.push({ place: kind, message: 'has no name' });
    if (seen.has(name)) faults.push({ place: root, message: 'stands twice' });
    seen.add(name);
    const bytes = encode(schema, message);
    const version = hash(bytes);
    const before = previous.get(name);
    if (before?.version === version) continue;
    faults.push(...validateMessage(schema, message, root));
    steps.push({ kind, name, before, after: { name, version, bytes, references: referencesOf(schema, message) } });
  }
  return { steps, faults };
}

// ---- consistency (rule 25)

function referenceKey({ kind, name }: Reference): string {
  return `${kind} ${name}`;
}

function usersAfter(users: LayeredMap<string, number>, steps: readonly Step[]): LayeredMap<string, number> {
  const counts = new Map<string, number>();
  const add = (references: readonly Reference[], by: number): void => {
    for (const key of references.map(referenceKey)) counts.set(key, (counts.get(key) ?? users.get(key) ?? 0) + by);
  };
  for (const { before, after } of steps) {
    add(before?.references ?? [], -1);
    add(after?.references ?? [], 1);
  }
  return users.with([...counts].map(([key, count]) => [key, count === 0 ? undefined : count] as const));
}

/** Whether something may be wrong that was right before. Looks at what has changed only; who it is, the full checks say. */
function mayBreakReferences(snapshot: CheckedSnapshot, steps: readonly Step[]): boolean {
  const exists = ({ kind, name }: Reference): boolean => stateOf(snapshot, kind).resources.has(name);
  const isUsed = (reference: Reference): boolean => snapshot.users.has(referenceKey(reference));
  return steps.some(
    ({ kind, name, before, after }) =>
      (after?.references ?? []).some((reference) => !exists(reference)) ||
      (after === undefined && isUsed({ kind, name })) ||
      (after !== undefined && kind === 'endpoint' && !isUsed({ kind, name })) ||
      (before?.references ?? []).some((reference) => reference.kind === 'endpoint' && exists(reference) && !isUsed(reference)),
  );
}

/** What a resource names must be there. */
function missingReferences(types: CheckedSnapshot['types']): Fault[] {
  const faults: Fault[] = [];
  for (const kind of KINDS) {
    for (const resource of types.get(RESOURCE_TYPES[kind].url)?.resources.values() ?? []) {
      for (const reference of resource.references) {
        if (types.get(RESOURCE_TYPES[reference.kind].url)?.resources.has(reference.name) !== true) {
          faults.push({ place: `${kind} "${resource.name}"`, message: `names ${reference.kind} "${reference.name}", which does not exist` });
        }
      }
    }
  }
  return faults;
}

/** The reverse: endpoints that no cluster asks for are a cluster that was forgotten or misspelt. */
function unusedEndpoints(snapshot: CheckedSnapshot): Fault[] {
  return [...stateOf(snapshot, 'endpoint').resources.keys()]
    .filter((name) => !snapshot.users.has(referenceKey({ kind: 'endpoint', name })))
    .map((name) => ({ place: `endpoint "${name}"`, message: 'is named by no cluster' }));
}

function stateOf({ types }: CheckedSnapshot, kind: Kind): CheckedState {
  const state = types.get(RESOURCE_TYPES[kind].url);
  if (state === undefined) throw new Error(`a snapshot without ${kind}`);
  return state;
}

// ---- versions

function hash(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}

/**
 * Version of a type: the sum of the hashes of its resources, each with its name, so that it does not depend on their order and
 * follows a change without a look at the others.
 */
function sumOf(steps: readonly Step[], before: string = '0'): string {
  let sum = BigInt(`0x${before}`);
  for (const step of steps) sum += share(step.after) - share(step.before);
  return BigInt.asUintN(48, sum).toString(16).padStart(12, '0');
}

function share(resource: VersionedResource | undefined): bigint {
  return resource === undefined ? 0n : BigInt(`0x${hash(`${resource.name} ${resource.version}`)}`);
}

/** What differs between two snapshots. Resources that are equal are the same object. */
export function changesBetween(before: Snapshot | undefined, after: Snapshot): Changes {
  const changes = new Map<TypeUrl, ReadonlySet<string>>();
  for (const [url, state] of after.types) {
    const old = before?.types.get(url);
    if (old?.version === state.version) continue;
    const names = new Set<string>();
    for (const [name, resource] of state.resources) if (old?.resources.get(name) !== resource) names.add(name);
    for (const name of old?.resources.keys() ?? []) if (!state.resources.has(name)) names.add(name);
    if (names.size > 0) changes.set(url, names);
  }
  return changes;
}

/** What a change may make different: no look at the rest is needed. */
export function changesOf({ put = {}, remove = {} }: ResourceChange): Changes {
  return new Map(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, new Set([...(put[kind] ?? []).map(resourceName), ...(remove[kind] ?? [])])]));
}
