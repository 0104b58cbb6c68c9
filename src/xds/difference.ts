/**
 * What differs between two JSON values, leaf by leaf, each with its path.
 */
import type { JsonValue } from '@bufbuild/protobuf';

export interface Difference {
  /** `virtual_hosts[2].routes[0].match.prefix`; "" = the whole value. */
  readonly path: string;
  /** Undefined = not there. */
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** In the order of `after`, and then what is gone. A list is compared item by item. */
export function differences(before: JsonValue | undefined, after: JsonValue | undefined, path: string = ''): Difference[] {
  const left = children(before);
  const right = children(after);
  if (left === undefined || right === undefined || Array.isArray(before) !== Array.isArray(after)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
  }
  const steps = [...right.keys(), ...[...left.keys()].filter((step) => !right.has(step))];
  return steps.flatMap((step) => differences(left.get(step), right.get(step), path === '' ? step.replace(/^\./, '') : `${path}${step}`));
}

/** Every leaf of a value that is a string, with its path. */
export function stringLeaves(value: JsonValue, path: string = ''): { readonly path: string; readonly value: string }[] {
  if (typeof value === 'string') return [{ path, value }];
  return [...(children(value) ?? [])].flatMap(([step, inner]) => stringLeaves(inner, path === '' ? step.replace(/^\./, '') : `${path}${step}`));
}

/** What is in a list or an object by its step: `[0]`, `.name`; undefined for a leaf. */
function children(value: JsonValue | undefined): ReadonlyMap<string, JsonValue> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return new Map(value.map((item, index) => [`[${index}]`, item]));
  return new Map(Object.entries(value).map(([key, item]) => [/^[\w@-]+$/.test(key) ? `.${key}` : `["${key}"]`, item]));
}
