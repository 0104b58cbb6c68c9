import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { DesiredState, Tenant } from './desired-state.js';
import { accessOf } from './access.js';

const TENANT: Tenant = { name: 'shop', credentials: [{ kind: 'certificate', san: { type: 'uri', value: 'spiffe://x/shop' } }], scrape: [], query: [{ backends: undefined, metrics: ['up'], labels: {} }], limits: { requestsPerSecond: 1, burst: 1 } };

function state(change: Partial<Tenant>, more: Partial<DesiredState> = {}): DesiredState {
  return { ...desiredState(), tenants: [{ ...TENANT, ...change }], ...more };
}

describe('what Envoy and the data threads go by', () => {
  it.each<[what: string, next: DesiredState]>([
    ['what queries see', state({ query: [{ backends: ['main'], metrics: ['up', 'http_.*'], labels: { a: 'b' } }] })],
    ['a second grant', state({ query: [...(TENANT.query ?? []), ...(TENANT.query ?? [])] })],
    ['what objects may add to it', state({ metricAccess: { namespaces: ['shop'], within: [] } })],
    ['exports', state({ exports: [] })],
    ['a dry run', state({ queryDryRunUntilMs: 1 })],
    ['backends', state({}, { backends: [], backendGroups: [], exportDestinations: [] })],
  ])('does not change with %s', (_what, next) => {
    expect(isDeepStrictEqual(accessOf(next), accessOf(state({})))).toBe(true);
  });

  it.each<[what: string, next: DesiredState]>([
    ['the last grant of queries', state({ query: [] })],
    ['credentials', state({ credentials: [] })],
    ['what may be scraped', state({ scrape: [{ agents: ['berlin'], targets: undefined, selector: undefined }] })],
    ['limits', state({ limits: { requestsPerSecond: 2, burst: 1 } })],
    ['agents', state({}, { agents: [{ name: 'berlin', san: { type: 'uri', value: 'spiffe://x/berlin' }, tenants: ['shop'], maxTargets: 1 }] })],
    ['the gateway itself', state({}, { gateway: { ...desiredState().gateway, revoked: { serials: ['01'], sans: [] } } })],
  ])('changes with %s', (_what, next) => {
    expect(isDeepStrictEqual(accessOf(next), accessOf(state({})))).toBe(false);
  });
});
