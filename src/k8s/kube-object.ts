import type { ObjectRef } from './metric-access.js';
import { get, textAt } from '../kube/values.js';

/**
 * What is kept of an object. It is the same value for as long as the object's generation is, so that whatever was worked out from it
 * can be found by identity, and a status of our own writing changes nothing.
 */
export interface KubeObject {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly generation: number;
  /** RFC 3339; of two that claim the same, the older has it. */
  readonly created: string;
  /** `metadata` (namespace, name, generation) and `spec`. */
  readonly content: object;
  /** As it stands there now. The one thing that changes in place: nothing follows from it, so it is no change to tell anybody of. */
  status: unknown;
}

/** For `listWatch`. Undefined for what is no object of a namespace: there is nobody to tell. `remembered`, by uid, are from before the first list. */
export function keepObject(object: unknown, last: KubeObject | undefined, remembered?: ReadonlyMap<string, KubeObject>): KubeObject | undefined {
  const namespace = textAt(object, 'metadata', 'namespace');
  const name = textAt(object, 'metadata', 'name');
  if (namespace === undefined || name === undefined) return undefined;
  const uid = textAt(object, 'metadata', 'uid') ?? '';
  const generation = Number(get(object, 'metadata', 'generation') ?? 0);
  const created = textAt(object, 'metadata', 'creationTimestamp') ?? '';
  const status = get(object, 'status');
  const before = last ?? remembered?.get(uid);
  if (before !== undefined && before.uid === uid && before.generation === generation) {
    before.status = status;
    return before;
  }
  return { ref: { namespace, name }, uid, generation, created, content: { metadata: { namespace, name, generation }, spec: get(object, 'spec') }, status };
}

/** Older first, so that the first who claims something keeps it; then by name. */
export function byAge(a: KubeObject, b: KubeObject): number {
  return compare(a.created, b.created) || compare(a.ref.namespace, b.ref.namespace) || compare(a.ref.name, b.ref.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
