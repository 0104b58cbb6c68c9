import { KINDS, RESOURCE_TYPES } from '../../src/xds/resource-types.js';
import type { Kind, TypeUrl } from '../../src/xds/resource-types.js';
import type { Snapshot, TypeState, VersionedResource } from '../../src/xds/snapshot.js';

/**
 * Snapshots for tests of the stream machine, where a resource is no more than a name and a version:
 * `{ cluster: { a: 'v1' }, endpoint: { a: 'v1' } }`. A cluster waits for the endpoints of its name if there are any.
 */
export type Sketch = Partial<Readonly<Record<Kind, Readonly<Record<string, string>>>>>;

const made = new Map<string, VersionedResource>();

/** Equal content is the same object, as in snapshots that are made. */
export function resource(kind: Kind, name: string, version: string, sketch: Sketch = {}): VersionedResource {
  const references = kind === 'cluster' && sketch.endpoint?.[name] !== undefined ? [{ kind: 'endpoint' as const, name }] : [];
  const key = `${kind} ${name} ${version} ${references.length}`;
  const known = made.get(key) ?? { name, version, bytes: new TextEncoder().encode(`${name}@${version}`), references };
  made.set(key, known);
  return known;
}

export function typeState(kind: Kind, sketch: Sketch): TypeState {
  const entries = Object.entries(sketch[kind] ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    version: entries.map(([name, version]) => `${name}@${version}`).join(' '),
    resources: new Map(entries.map(([name, version]) => [name, resource(kind, name, version, sketch)])),
  };
}

export function snapshot(sketch: Sketch): Snapshot {
  const types = new Map<TypeUrl, TypeState>(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, typeState(kind, sketch)]));
  return { version: JSON.stringify(sketch), types };
}
