import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Tenant } from '../model/desired-state.js';
import { AGENT, FRONT_PROXY, METRIC_ACCESS, REVOCATION, SITE, TARGET_TEMPLATE, TENANT } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import { claimsOf } from '../model/entry.js';
import type { Entry } from '../model/entry.js';
import type { KubeObject } from './kube-object.js';
import { combine } from './store.js';
import type { CompiledObject, OwnObject, StoreInput, StoreOutput } from './store.js';
import { createTranslate } from './translate.js';

const LIMITS = { requestsPerSecond: 1, burst: 1 };

function kubeObject(namespace: string, name: string, created: string, spec: unknown = {}): KubeObject {
  return { ref: { namespace, name }, uid: name, generation: 1, created, content: { metadata: { namespace, name, generation: 1 }, spec }, status: undefined };
}

function tenantObject(name: string, created: string, { claims = [], tenant = {} }: { readonly claims?: readonly string[]; readonly tenant?: Partial<Tenant> } = {}): OwnObject {
  const entry = { kind: 'tenants', value: { name, credentials: [], scrape: [], limits: LIMITS, ...tenant } } as const;
  const compiled: Result<CompiledObject> = ok({ entry, claims: [`tenant ${name}`, ...claims], faults: [], warnings: [] });
  return { kind: TENANT, object: kubeObject('mon', name, created), compiled };
}

function access(namespace: string, metrics: readonly string[]): KubeObject {
  return kubeObject(namespace, 'access', '1', { source: 'x', metrics });
}

function combined(input: Partial<StoreInput>): StoreOutput {
  return combine({ file: desiredState({ tenants: [{ name: 'of-file' }] }), objects: [], accesses: undefined, resolve: (backend) => backend, tenantFromNamespace: false, ...input }, createTranslate());
}

function tenantNames({ state }: StoreOutput): readonly string[] {
  return state.tenants.map(({ name }) => name);
}

function said({ sayings }: StoreOutput): readonly string[] {
  return sayings.flatMap(({ kind, object, status }) => (status(0)?.conditions ?? []).map(({ type, status: value, message }) => `${kind.kind} ${object.ref.name} ${type}=${value} ${message}`));
}

describe('file and objects', () => {
  it('are one state, the file first', () => {
    expect(tenantNames(combined({ objects: [tenantObject('b', '2'), tenantObject('a', '1')] }))).toEqual(['of-file', 'a', 'b']);
  });

  it('the file keeps its names, an older object its claims; who comes later is refused alone and told', () => {
    const output = combined({ objects: [tenantObject('late', '2', { claims: ['credential x'] }), tenantObject('early', '1', { claims: ['credential x'] }), tenantObject('of-file', '0')] });
    expect(tenantNames(output)).toEqual(['of-file', 'early']);
    expect(said(output).filter((text) => text.includes('=False') && text.includes('Accepted'))).toEqual([
      "Tenant of-file Accepted=False not in force: metadata.name: tenant of-file is taken by the gateway's file",
      'Tenant late Accepted=False not in force: spec.credentials: one of them is taken by Tenant mon/early',
    ]);
  });

  it('an object that cannot be read affects only itself', () => {
    const broken: OwnObject = { ...tenantObject('broken', '1'), compiled: err([{ place: 'spec.query[0]', message: 'is wrong' }]) };
    const output = combined({ objects: [broken, tenantObject('sound', '2')] });
    expect(tenantNames(output)).toEqual(['of-file', 'sound']);
    expect(said(output)[0]).toBe('Tenant broken Accepted=False not in force: spec.query[0]: is wrong');
  });

  it('a reference to what is not there is a warning, whatever comes first', () => {
    const output = combined({ objects: [tenantObject('a', '1', { tenant: { query: [{ backends: ['gone'], metrics: ['up'], labels: {} }], push: ['gone'] } })] });
    expect(tenantNames(output)).toContain('a');
    expect(said(output)[1]).toBe('Tenant a Warning=True spec.query[0].backends: no backend has the name "gone"; spec.push: no push target has the name "gone"');
  });
});

describe('entries of every list', () => {
  const object = (kind: Kind, name: string, created: string, entry: Entry): OwnObject => ({ kind, object: kubeObject('mon', name, created), compiled: ok({ entry, claims: claimsOf(entry), faults: [], warnings: [] }) });
  const agent = (name: string, tenants: readonly string[]): Entry => ({ kind: 'agents', value: { name, tenants, maxTargets: 1, san: { type: 'uri', value: name } } });
  const site = (name: string, agents: readonly string[]): Entry => ({ kind: 'sites', value: { name, agents, order: 'preference', hedge: undefined } });

  it('get into the state behind the file\'s own', () => {
    const template: Entry = { kind: 'templates', value: { name: 'nodes', selector: [], tenants: ['of-file'], scrapeInterval: undefined, scrapeTimeout: undefined } };
    const { state } = combined({
      objects: [
        object(TARGET_TEMPLATE, 'nodes', '1', template),
        object(FRONT_PROXY, 'any', '1', { kind: 'frontProxies', value: { san: { type: 'dns', value: 'p' }, tenants: 'all' } }),
        object(REVOCATION, 'a', '1', { kind: 'revoked', value: { serials: ['1'], sans: [] } }),
        object(REVOCATION, 'b', '1', { kind: 'revoked', value: { serials: ['2'], sans: [] } }),
      ],
    });
    expect(state.templates).toEqual([template.value]);
    expect(state.tenants[0]?.scrape.at(-1)).toMatchObject({ rule: 'templates/nodes' });
    expect(state.frontProxies).toHaveLength(1);
    expect(state.gateway.revoked?.serials).toEqual(['1', '2']);
  });

  it('that are made of others are there when all of those are, and go together', () => {
    const alone = combined({ objects: [object(SITE, 'paris', '1', site('paris', ['one', 'two'])), object(AGENT, 'one', '1', agent('one', ['of-file']))] });
    expect(alone.state.sites).toEqual([]);
    expect(said(alone)).toContain('Site paris Warning=True spec.agents: no agent has the name "two"');
    const apart = combined({ objects: [object(SITE, 'paris', '1', site('paris', ['one', 'two'])), object(AGENT, 'one', '1', agent('one', ['of-file'])), object(AGENT, 'two', '1', agent('two', []))] });
    expect(apart.state.sites).toEqual([]);
    const whole = combined({ objects: [object(SITE, 'paris', '1', site('paris', ['one', 'two'])), object(AGENT, 'one', '1', agent('one', ['of-file'])), object(AGENT, 'two', '1', agent('two', ['of-file']))] });
    expect(whole.state.sites?.map(({ name }) => name)).toEqual(['paris']);
  });

  it('that claim what an older one has, in whichever list, are told Conflict', () => {
    const output = combined({ objects: [object(SITE, 'one', '2', site('one', ['x'])), object(AGENT, 'one', '1', agent('one', []))] });
    expect(output.sayings.find(({ kind }) => kind === SITE)?.status(0)?.conditions[0]).toMatchObject({ status: 'False', reason: 'Conflict', message: 'not in force: metadata.name: agent one is taken by Agent mon/one' });
  });
});

describe('MetricAccess', () => {
  it('adds to the tenant whose terms name the namespace, within the terms', () => {
    const output = combined({
      objects: [tenantObject('shop', '1', { tenant: { metricAccess: { namespaces: ['team'], within: [{ backends: undefined, metrics: ['up'], labels: {} }] } } })],
      accesses: { objects: [access('team', ['up', 'down']), access('other', ['up'])], withoutTerms: 'deny' },
    });
    expect(output.state.tenants.find(({ name }) => name === 'shop')?.query).toEqual([{ backends: undefined, metrics: ['{__name__="up"}'], labels: {} }]);
    expect(tenantNames(output)).toEqual(['of-file', 'shop']);
    expect(output.sayings.filter(({ kind }) => kind === METRIC_ACCESS)).toHaveLength(2);
  });

  it('makes tenants of namespaces that are nobody\'s, where the admin says so', () => {
    const output = combined({ accesses: { objects: [access('team', ['up']), access('merged', ['up'])], withoutTerms: 'own-namespace' } });
    expect(output.state.tenants.slice(1)).toMatchObject([
      { name: 'merged', credentials: [], scrape: [], query: [{ metrics: ['{__name__="up",namespace="merged"}'] }] },
      { name: 'team', query: [{ metrics: ['{__name__="up",namespace="team"}'] }] },
    ]);
  });

  it('says the same verdict of the same object as long as nothing changes', () => {
    const translate = createTranslate();
    const accesses = { objects: [access('team', ['up'])], withoutTerms: 'deny' } as const;
    const [one, other] = [1, 2].map(() => combine({ file: desiredState(), objects: [], accesses, resolve: (backend) => backend, tenantFromNamespace: false }, translate).sayings[0]);
    expect(one?.verdict).toBe(other?.verdict);
  });
});

it('service accounts of a namespace are the tenant of its name, unless somebody lists them', () => {
  const owner = { credentials: [{ kind: 'service-account', namespace: 'b', name: undefined }] } as const;
  const output = combined({ objects: [tenantObject('a', '1'), tenantObject('b', '2'), tenantObject('c', '3', { tenant: owner })], tenantFromNamespace: true });
  expect(output.state.tenants.map(({ name, credentials }) => [name, credentials.flatMap((each) => (each.kind === 'service-account' ? [each.namespace] : []))])).toEqual([['of-file', []], ['a', ['a']], ['b', []], ['c', ['b']]]);
});
