/**
 * The order in which one update reaches a client, as data (xds.md rules 19 and 20): make before break. Clusters and their
 * endpoints are there before the listener or route that names them is sent, and leave only after everything that named them
 * has been replaced and acknowledged.
 *
 * Nothing is held hostage (rule 21): a type waits only for types that the same stream has asked for, and only for a bounded
 * time; and there is no waiting at all for the order in which a client asks.
 */
import { RESOURCE_TYPES } from './resource-types.js';
import type { TypeUrl } from './resource-types.js';

/** Rule 19, with the types that are not served left out; an unknown type comes last. */
export const RESPONSE_ORDER: readonly TypeUrl[] = [
  RESOURCE_TYPES.cluster.url,
  RESOURCE_TYPES.endpoint.url,
  RESOURCE_TYPES.listener.url,
  RESOURCE_TYPES.route.url,
  RESOURCE_TYPES.secret.url,
];

export function byResponseOrder(a: TypeUrl, b: TypeUrl): number {
  return rank(a) - rank(b);
}

function rank(url: TypeUrl): number {
  const index = RESPONSE_ORDER.indexOf(url);
  return index < 0 ? RESPONSE_ORDER.length : index;
}

const FOUNDATIONS: readonly TypeUrl[] = [RESOURCE_TYPES.cluster.url, RESOURCE_TYPES.endpoint.url];
const USERS: readonly TypeUrl[] = [RESOURCE_TYPES.listener.url, RESOURCE_TYPES.route.url];

/** Phase 1: new and changed resources of a type wait until those of these types have arrived. */
export function makesWaitFor(url: TypeUrl): readonly TypeUrl[] {
  return USERS.includes(url) ? FOUNDATIONS : [];
}

/** Phase 2: removals of a type wait until the new state of these types has been acknowledged. */
export function breaksWaitFor(url: TypeUrl): readonly TypeUrl[] {
  return FOUNDATIONS.includes(url) ? USERS : [];
}
