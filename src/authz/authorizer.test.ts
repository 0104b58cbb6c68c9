import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { desiredState, target } from '../../test/support/desired-state.js';
import { CheckRequestSchema, CheckResponseSchema } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import type { TokenVerdict } from '../model/kubernetes.js';
import { createAuthorizer } from './authorizer.js';
import type { Authorizer } from './authorizer.js';

const AUTHORIZATION = `Basic ${Buffer.from('scraper:secret').toString('base64')}`;

const STATE = desiredState({
  tenants: [{ name: 'team-a', credentials: [{ kind: 'basic', user: 'scraper', bcryptHash: '$2b$04$x' }] }],
  agents: [{ name: 'site-1', tenants: ['team-a'] }],
});

function request(path: string, headers: Record<string, string> = { authorization: AUTHORIZATION }): Buffer {
  const http = { method: 'GET', host: 'gateway.example', path, headers };
  return Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, { attributes: { request: { http }, contextExtensions: { door: 'path' } } })));
}

async function reasonOf(authorizer: Authorizer, bytes: Buffer): Promise<unknown> {
  const response = fromBinary(CheckResponseSchema, await authorizer.check(bytes));
  return response.httpResponse.case === 'okResponse' ? 'allowed' : response.dynamicMetadata?.['reason'];
}

function setUp(state = true) {
  const registry = new Registry();
  const authorizer = createAuthorizer({ registry, passwords: { matches: (_, password) => (password === 'secret' ? 'right' : 'wrong') } });
  if (state) authorizer.setState(STATE);
  return { registry, authorizer };
}

describe('the authorizer', () => {
  it('refuses everybody before it has a configuration', async () => {
    const { authorizer } = setUp(false);
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('authz_starting');
    authorizer.setState(STATE);
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('agent_away');
    authorizer.setRegistration('site-1', [target('node')]);
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('allowed');
    authorizer.setRegistration('site-1', undefined);
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('agent_away');
  });

  it('answers bytes that are no question', async () => {
    await expect(reasonOf(setUp().authorizer, Buffer.from([0x0a, 0x05]))).resolves.toBe('malformed_request');
  });

  it('answers a repeated question at once, and the same', async () => {
    const { authorizer } = setUp();
    authorizer.setRegistration('site-1', [target('node')]);
    const first = await authorizer.check(request('/scrape/site-1/node'));
    expect(authorizer.check(request('/scrape/site-1/node'))).toEqual(first);
  });

  it('gives no answer again that a change of the tables has made wrong', async () => {
    const { authorizer } = setUp();
    const asked = request('/scrape/site-1/node');
    authorizer.setRegistration('site-1', [target('node')]);
    await expect(reasonOf(authorizer, asked)).resolves.toBe('allowed');
    authorizer.setRegistration('site-1', [target('other')]);
    await expect(reasonOf(authorizer, asked)).resolves.toBe('target_forbidden');
    authorizer.setRegistration('site-1', [target('node')]);
    await expect(reasonOf(authorizer, asked)).resolves.toBe('allowed');
    authorizer.setState(desiredState());
    await expect(reasonOf(authorizer, asked)).resolves.toBe('bad_credentials');
  });

  it('does not remember an answer whose credential ends', async () => {
    let nowMs = 1_000;
    const authorizer = createAuthorizer({ registry: new Registry(), passwords: { matches: () => 'right' }, wallMs: () => nowMs });
    const credentials = [{ kind: 'basic', user: 'scraper', bcryptHash: '$2b$04$x', expiresMs: 2_000 } as const];
    authorizer.setState({ ...STATE, tenants: STATE.tenants.map((tenant) => ({ ...tenant, credentials })) });
    authorizer.setRegistration('site-1', [target('node')]);
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('allowed');
    nowMs = 2_000;
    await expect(reasonOf(authorizer, request('/scrape/site-1/node'))).resolves.toBe('bad_credentials');
  });

  it('does not remember an answer for a token that the cluster may end', async () => {
    const claims = { sub: 'system:serviceaccount:shop:prometheus', aud: ['scrapeway'], exp: Date.now() / 1000 + 3600 };
    const token = ['{"alg":"RS256"}', JSON.stringify(claims), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.');
    const verdicts: TokenVerdict[] = [{ kind: 'account', namespace: 'shop', name: 'prometheus' }, { kind: 'refused', why: 'deleted' }];
    const authorizer = createAuthorizer({ registry: new Registry(), reviewToken: async () => verdicts.shift() ?? { kind: 'refused', why: 'asked too often' } });
    const tokenReview = { access: { kind: 'in-cluster' }, audiences: ['scrapeway'], cacheMs: 0, timeoutMs: 1000 } as const;
    const state = desiredState({ tenants: [{ name: 'team-a', credentials: [{ kind: 'service-account', namespace: 'shop', name: 'prometheus' }] }], agents: [{ name: 'site-1', tenants: ['team-a'] }] });
    authorizer.setState({ ...state, gateway: { ...state.gateway, tokenReview } });
    authorizer.setRegistration('site-1', [target('node')]);
    const asked = request('/scrape/site-1/node', { authorization: `Bearer ${token}` });
    await expect(reasonOf(authorizer, asked)).resolves.toBe('allowed');
    await expect(reasonOf(authorizer, asked)).resolves.toBe('bad_credentials');
  });

  it('applies a configuration that came while a password was checked', async () => {
    const password = Promise.withResolvers<'right'>();
    const authorizer = createAuthorizer({ registry: new Registry(), passwords: { matches: () => password.promise } });
    authorizer.setState(STATE);
    const pending = reasonOf(authorizer, request('/scrape/site-1/node'));
    authorizer.setState(desiredState());
    password.resolve('right');
    await expect(pending).resolves.toBe('bad_credentials');
  });

  it('does not let in by a password that was removed while it was checked', async () => {
    const password = Promise.withResolvers<'right'>();
    const authorizer = createAuthorizer({ registry: new Registry(), passwords: { matches: () => password.promise } });
    authorizer.setState(STATE);
    authorizer.setRegistration('site-1', [target('node')]);
    const pending = reasonOf(authorizer, request('/scrape/site-1/node'));
    authorizer.setState({ ...STATE, tenants: STATE.tenants.map((tenant) => ({ ...tenant, credentials: [] })) });
    password.resolve('right');
    await expect(pending).resolves.toBe('bad_credentials');
  });

  it('counts what it decides', async () => {
    const { authorizer, registry } = setUp();
    authorizer.setRegistration('site-1', [target('node')]);
    for (const bytes of [request('/scrape/site-1/node'), request('/scrape/site-1/node'), request('/scrape/site-1/x'), request('/', {}), Buffer.from([0])]) await authorizer.check(bytes);
    const metrics = await registry.metrics();
    expect(metrics).toContain('scrapeway_authz_checks_total{door="path",decision="allow",reason=""} 2');
    expect(metrics).toContain('scrapeway_authz_checks_total{door="path",decision="deny",reason="target_forbidden"} 1');
    expect(metrics).toContain('scrapeway_authz_checks_total{door="path",decision="deny",reason="no_credentials"} 1');
    expect(metrics).toContain('scrapeway_authz_checks_total{door="none",decision="deny",reason="malformed_request"} 1');
    expect(metrics).toContain('scrapeway_authz_check_duration_seconds_count 5');
  });
});
