import type { DesiredState, QueryGrant, Tenant } from './desired-state.js';

/**
 * The part of a state that Envoy and the data threads go by: who may come in by which door, and to which target. What a tenant's queries
 * see, backends and exports are others' business; in a cluster these change by the second, and then neither need know.
 */
export type Access = Omit<DesiredState, 'backends' | 'backendGroups' | 'exportDestinations'>;

/** That there is a door for queries. */
const SOMETHING: readonly QueryGrant[] = [{ backends: undefined, metrics: [], labels: {} }];

export function accessOf({ backends: _backends, backendGroups: _groups, exportDestinations: _destinations, tenants, ...state }: DesiredState): Access {
  return { ...state, tenants: tenants.map(withoutQueries) };
}

function withoutQueries({ query = [], exports: _exports, metricAccess: _metricAccess, queryDryRunUntilMs: _dryRun, ...tenant }: Tenant): Tenant {
  return { ...tenant, ...(query.length > 0 && { query: SOMETHING }) };
}
