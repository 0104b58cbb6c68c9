/**
 * The resources that the conformance harness sets from outside (`adapter.Adapter`, docs/xds.md), as snapshots without I/O.
 *
 * They are bare (`Cluster{name}`) and name each other at random, so neither Envoy's rules nor references are checked: it is the
 * protocol that is under test. The harness says the version of a type, and each touch gives a resource a version of its own.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage } from '@bufbuild/protobuf';
import { KINDS, RESOURCE_TYPES, resourceType } from './resource-types.js';
import type { ResourceType, TypeUrl } from './resource-types.js';
import type { Snapshot, TypeState, VersionedResource } from './snapshot.js';

/** A resource as it comes: packed. */
export interface PackedResource {
  readonly typeUrl: TypeUrl;
  readonly value: Uint8Array;
}

export interface ResourceRef {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  readonly version: string;
}

/** What is to be published, and the names that may differ from what was. */
export interface AdapterUpdate {
  readonly snapshot: Snapshot;
  readonly changes: ReadonlyMap<TypeUrl, ReadonlySet<string>>;
}

export class AdapterState {
  #types = emptyTypes();
  #touches = 0;

  /** Replaces everything; throws a `RangeError` for a type that is not served. */
  set(resources: readonly PackedResource[], version: string): AdapterUpdate {
    const before = this.#types;
    this.#types = emptyTypes();
    for (const { typeUrl, value } of resources) {
      const type = served(typeUrl);
      this.#put(type.url, this.#resource(nameIn(type, value), value), version);
    }
    return this.#update(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, [before, this.#types].flatMap((types) => namesOf(types, RESOURCE_TYPES[kind].url))]));
  }

  clear(): AdapterUpdate {
    return this.set([], '');
  }

  /** Adds a resource, or gives one that is there a new version. */
  put({ typeUrl, name, version }: ResourceRef): AdapterUpdate {
    const type = served(typeUrl);
    const bytes = this.#types.get(type.url)?.resources.get(name)?.bytes ?? bare(type, name);
    this.#put(type.url, this.#resource(name, bytes), version);
    return this.#update([[type.url, [name]]]);
  }

  remove({ typeUrl, name, version }: ResourceRef): AdapterUpdate {
    const { url } = served(typeUrl);
    const resources = new Map(this.#types.get(url)?.resources);
    resources.delete(name);
    this.#types = new Map(this.#types).set(url, { version, resources });
    return this.#update([[url, [name]]]);
  }

  #put(url: TypeUrl, resource: VersionedResource, version: string): void {
    const resources = new Map(this.#types.get(url)?.resources).set(resource.name, resource);
    this.#types = new Map(this.#types).set(url, { version, resources });
  }

  #resource(name: string, bytes: Uint8Array): VersionedResource {
    this.#touches += 1;
    return { name, version: String(this.#touches), bytes, references: [] };
  }

  #update(changes: readonly (readonly [TypeUrl, readonly string[]])[]): AdapterUpdate {
    return { snapshot: { version: String(this.#touches), types: this.#types }, changes: new Map(changes.map(([url, names]) => [url, new Set(names)])) };
  }
}

function emptyTypes(): ReadonlyMap<TypeUrl, TypeState> {
  return new Map(KINDS.map((kind) => [RESOURCE_TYPES[kind].url, { version: '', resources: new Map<string, VersionedResource>() }]));
}

function namesOf(types: ReadonlyMap<TypeUrl, TypeState>, url: TypeUrl): string[] {
  return [...(types.get(url)?.resources.keys() ?? [])];
}

function served(typeUrl: TypeUrl): ResourceType {
  const type = resourceType(typeUrl);
  if (type === undefined) throw new RangeError(`${typeUrl} is not served`);
  return type;
}

/** The field that is a resource's name. */
function nameField({ schema }: ResourceType): string {
  return schema.field['clusterName'] === undefined ? 'name' : 'clusterName';
}

function nameIn(type: ResourceType, value: Uint8Array): string {
  return String(Reflect.get(fromBinary<DescMessage>(type.schema, value), nameField(type)));
}

function bare(type: ResourceType, name: string): Uint8Array {
  const message = create<DescMessage>(type.schema);
  Reflect.set(message, nameField(type), name);
  return toBinary<DescMessage>(type.schema, message);
}
