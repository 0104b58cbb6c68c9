import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Ceiling } from './ceiling.js';
import type { MetricAccess } from './metric-access.js';
import { objectExport } from './object-export.js';
import type { NoExport, ObjectExport, ReadOwnSecret } from './object-export.js';
import { readPattern, selectorOfAll } from './pattern.js';
import { readRemoteWrite } from './remote-write.js';

/**
 * The export of an object: of the patterns that are in force, what lies under the ceilings of the one tenant whose terms allow exports.
 * The selectors say so themselves, so what a tenant may query by other grants is not exported by this object.
 */
export interface AskedExport {
  readonly tenant: string;
  readonly max: number;
  readonly given: ObjectExport;
}

const MAX_SELECTORS = 1_000;

/** Undefined: none is asked for. */
export function askedExport(access: MetricAccess, { inForce, over, ownSecret }: { readonly inForce: readonly string[]; readonly over: readonly Ceiling[]; readonly ownSecret: ReadOwnSecret | undefined }): Result<AskedExport, NoExport> | undefined {
  const { object, remoteWrite } = access;
  if (remoteWrite === undefined) return undefined;
  const request = readRemoteWrite(remoteWrite, object.namespace);
  if (!request.ok) return err({ reason: 'Invalid', message: request.error.map(({ place, message }) => `${place}: ${message}`).join('; ') });
  const tenants = new Map(over.flatMap(({ tenant, ground }) => (ground === undefined ? [] : [[tenant, ground] as const])));
  const [first, second] = tenants;
  if (first === undefined) return err({ reason: 'NotAllowed', message: `no admin allows the namespace ${object.namespace} to export (metricAccess.exports of its tenant)` });
  if (second !== undefined) return err({ reason: 'NotAllowed', message: `the tenants ${[...tenants.keys()].join(', ')} all allow it; whose export it is must be plain` });
  const [tenant, ground] = first;
  const { backend, maxExports: max } = ground.terms;
  const metrics = selectors(access, inForce, over.filter((each) => each.tenant === tenant && (each.backends?.includes(backend) ?? true)));
  if (metrics.length === 0) return err({ reason: 'NothingAllowed', message: `of the backend ${backend} nothing that the patterns ask for is allowed` });
  if (metrics.length > MAX_SELECTORS) return err({ reason: 'Invalid', message: `the patterns make more than ${MAX_SELECTORS} selectors under their ceilings` });
  const given = objectExport(object, request.value, { tenant, metrics, ground, ownSecret });
  return given.ok ? ok({ tenant, max, given: given.value }) : given;
}

function selectors({ object, labelSelectors, metricIsolation }: MetricAccess, inForce: readonly string[], ceilings: readonly Ceiling[]): readonly string[] {
  // Both must hold where the object itself names another namespace: then there is nothing.
  const contradicts = metricIsolation && (labelSelectors['namespace'] ?? object.namespace) !== object.namespace;
  const labels = metricIsolation ? { ...labelSelectors, namespace: object.namespace } : labelSelectors;
  const found = (contradicts ? [] : inForce).flatMap((text) => {
    const pattern = readPattern(text, labels);
    if (!pattern.ok) return [];
    return ceilings.flatMap(({ rules }) => (rules.ok ? rules.value.flatMap((rule) => selectorOfAll(pattern.value, rule) ?? []) : []));
  });
  return [...new Set(found)];
}
