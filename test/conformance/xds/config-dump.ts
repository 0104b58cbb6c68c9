import { fromJson, isMessage, toJson } from '@bufbuild/protobuf';
import type { JsonObject, JsonValue, Message } from '@bufbuild/protobuf';
import { AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { registry } from '../../../src/xds/registry.js';
import { RESOURCE_TYPES, resourceName } from '../../../src/xds/resource-types.js';
import type { Kind, ResourceSet } from '../../../src/xds/resource-types.js';
import { makeSnapshot } from '../../../src/xds/snapshot.js';
import type { RunningEnvoy } from '../../support/envoy.js';

/**
 * What Envoy says that it holds (its config dump), and what it was given, in one form, to be compared.
 */

interface ConfigDump {
  readonly configs: readonly JsonObject[];
}

export interface HeldResource {
  readonly version: string;
  readonly message: Message;
}

/** What Envoy holds: type and name → version and content, from its config dump. */
export async function held(envoy: Pick<RunningEnvoy, 'adminJson'>): Promise<ReadonlyMap<string, HeldResource>> {
  const { configs } = await envoy.adminJson<ConfigDump>('config_dump');
  const found = new Map<string, HeldResource>();
  const visit = (value: JsonValue): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    const inner = ['cluster', 'listener', 'route_config', 'secret'].map((key) => value[key]).find((each) => each !== undefined);
    if (typeof value['version_info'] === 'string' && inner !== undefined) {
      const message = anyUnpack(fromJson(AnySchema, inner, { registry }), registry);
      if (message === undefined) throw new Error('a resource that cannot be unpacked');
      found.set(`${message.$typeName} ${String(Reflect.get(message, 'name'))}`, { version: value['version_info'], message });
    }
    for (const each of Object.values(value)) if (each !== undefined) visit(each);
  };
  visit([...configs]);
  return found;
}

const DUMPED: readonly Kind[] = ['cluster', 'listener', 'route', 'secret'];

/** What it shall hold, the same way. */
export function wantedOf(set: ResourceSet): Map<string, HeldResource> {
  const made = makeSnapshot(set);
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  const wanted = new Map<string, HeldResource>();
  for (const kind of DUMPED) {
    for (const message of set[kind]) {
      const version = made.value.types.get(RESOURCE_TYPES[kind].url)?.resources.get(resourceName(message))?.version ?? '';
      wanted.set(`${message.$typeName} ${resourceName(message)}`, { version, message });
    }
  }
  return wanted;
}

/** As JSON, without what Envoy redacts in its dump: keys, and the context extensions (the test of the doors shows those). */
export function readable(message: Message): JsonValue {
  const schema = registry.getMessage(message.$typeName);
  if (schema === undefined || !isMessage(message, schema)) throw new Error(`no schema of ${message.$typeName}`);
  return JSON.parse(JSON.stringify(toJson(schema, message, { registry })).replaceAll(/"(privateKey|contextExtensions)":\{[^}]*\}/g, '"$1":{}'));
}
