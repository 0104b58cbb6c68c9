import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfigFolder, AGENT, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { err } from '../lib/result.js';
import { loadAgentConfig } from './agent-config.js';
import { loadGatewayConfig } from './gateway-config.js';
import { compileObjectEntry } from './object-entry.js';

/** Servers behind agents: who is named in the gateway's file, and what the agent's file opens. */

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

describe('in the gateway\'s file', () => {
  const load = async (lines: string): Promise<Awaited<ReturnType<typeof loadGatewayConfig>>['result']> => (await loadGatewayConfig(await dir.write('gateway.yaml', `${GATEWAY}${lines}\n`), NO_ENVIRONMENT)).result;

  it.each([
    ['backends: [{ name: a, agent: { name: site-a, service: prometheus } }]', 'backends', { url: 'http://prometheus.site-a.scrapeway' }],
    ['backends: [{ name: a, agent: { name: site-a, service: prometheus, path: /prom/ } }]', 'backends', { url: 'http://prometheus.site-a.scrapeway/prom' }],
    ['exportDestinations: [{ name: a, kind: remote_write, agent: { name: site-a, service: prometheus } }]', 'exportDestinations', { urls: ['http://prometheus.site-a.scrapeway/api/v1/write'] }],
    ['exportDestinations: [{ name: a, kind: pushgateway, agent: { name: site-a, service: prometheus } }]', 'exportDestinations', { urls: ['http://prometheus.site-a.scrapeway'] }],
    ['pushTargets: [{ name: a, kind: remote_write, tenantLabel: t, agent: { name: site-a, service: prometheus, path: /api/v1/push } }]', 'pushTargets', { url: 'http://prometheus.site-a.scrapeway/api/v1/push' }],
  ] as const)('%s', async (lines, kind, expected) => {
    const result = await load(lines);
    expect(result.ok ? result.value.state[kind] : result.error.map(placed)).toMatchObject([{ name: 'a', agent: { agent: 'site-a', service: 'prometheus' }, ...expected }]);
  });

  it.each([
    ['an agent that there is not', 'backends: [{ name: a, agent: { name: site-aa, service: p } }]', ['backends[0].agent.name: no agent or site has the name "site-aa"; did you mean "site-a"?']],
    ['a member of a site', 'sites: [{ name: paris, agents: [site-a] }]\nbackends: [{ name: a, agent: { name: site-a, service: p } }]', [expect.stringContaining('is scraped as the site'), 'backends[0].agent.name: "site-a" is a member of the site "paris": name the site']],
    ['replicas of its own', 'backends: [{ name: a, agent: { name: site-a, service: p }, replicas: [http://x] }]', ['backends[0].replicas: stands beside `agent`, which does the dialling; what it needs for that is in its own file']],
    ['no name of a service', 'backends: [{ name: a, agent: { name: site-a, service: .control } }]', [expect.stringMatching(/^backends\[0\]\.agent\.service: /)]],
    ['a path that is none', 'backends: [{ name: a, agent: { name: site-a, service: p, path: "/x?y" } }]', [expect.stringMatching(/^backends\[0\]\.agent\.path: /)]],
    ['a URL beside it', 'backends: [{ name: a, url: http://x, agent: { name: site-a, service: p } }]', [expect.stringMatching(/^backends\[0\]/)]],
    ['no place at all', 'pushTargets: [{ name: a, kind: remote_write, tenantLabel: t }]', [expect.stringMatching(/^pushTargets\[0\]/)]],
  ])('is a fault: %s', async (_case, lines, faults) => {
    const result = await load(lines);
    expect(result.ok ? [] : result.error.map(placed)).toEqual(faults);
  });
});

describe('in an object of a cluster', () => {
  it('is as in the file; that there is such an agent is not known there', async () => {
    const compiled = await compileObjectEntry({ kind: 'backends', name: 'a', spec: { agent: { name: 'far', service: 'prometheus' } }, nowMs: 0, secret: () => err('is not there') });
    expect(compiled).toMatchObject({ ok: true, value: { entry: { kind: 'backends', value: { url: 'http://prometheus.far.scrapeway', agent: { agent: 'far', service: 'prometheus' } } } } });
  });
});

describe('in the agent\'s file', () => {
  const load = async (service: string): Promise<Awaited<ReturnType<typeof loadAgentConfig>>['result']> => (await loadAgentConfig(await dir.write('agent.yaml', `${AGENT}services: [${service}]\n`), NO_ENVIRONMENT)).result;
  const opens = async (service: string, method: string, path: string): Promise<boolean> => {
    const result = await load(service);
    const [spec] = result.ok ? (result.value.settings.services ?? []) : [];
    if (spec === undefined) throw new Error(result.ok ? 'no service' : result.error.map(placed).join('\n'));
    return spec.allow.some((rule) => rule.methods.some((each) => each === method) && (rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path.split('?')[0] === rule.path));
  };

  it.each([
    ['allow: [query]', 'POST', '/api/v1/query_range', true],
    ['allow: [query]', 'GET', '/api/v1/label/ns/values?start=1', true],
    ['allow: [query]', 'POST', '/api/v1/read', true],
    ['allow: [query]', 'POST', '/api/v1/write', false],
    ['allow: [query]', 'POST', '/api/v1/admin/tsdb/delete_series', false],
    ['allow: [query]', 'GET', '/api/v1/status/config', false],
    ['allow: [query]', 'GET', '/metrics', false],
    ['allow: [query]', 'POST', '/-/quit', false],
    ['allow: [query]', 'DELETE', '/api/v1/query', false],
    ['allow: [remote_write]', 'POST', '/api/v1/write', true],
    ['allow: [remote_write]', 'GET', '/api/v1/query', false],
    ['allow: [pushgateway]', 'PUT', '/metrics/job/x/instance@base64/eA', true],
    ['allow: [pushgateway]', 'PUT', '/api/v1/admin/wipe', false],
    ['allow: [alertmanager]', 'POST', '/api/v2/silences', true],
    ['allow: [alertmanager]', 'POST', '/api/v2/alerts', false],
    ['allow: [query, remote_write]', 'POST', '/api/v1/write', true],
    ['requests: [{ methods: [POST], path: /api/v1/import* }]', 'POST', '/api/v1/import/prometheus', true],
    ['requests: [{ methods: [POST], path: /api/v1/import* }]', 'GET', '/api/v1/import/prometheus', false],
  ])('%s: %s %s is open: %s', async (rules, method, path, isOpen) => {
    expect(await opens(`{ name: p, url: 'http://127.0.0.1:9090', ${rules} }`, method, path)).toBe(isOpen);
  });

  it.each([
    ["{ name: p, url: 'http://127.0.0.1:9090' }", ['services[0]: is open for nothing: it needs `allow` or `requests`']],
    ["{ name: p, url: 'http://x/y?z', allow: [query] }", ['services[0].url: has a query; a service has a base URL, to which the path of each request is added']],
    ["{ name: p, url: 'http://u:p@x/', allow: [query] }", ['services[0].url: must hold no credentials; use `basic` or `bearerTokenFile`']],
    ["{ name: p, url: 'http://x', allow: [query], tls: { insecureSkipVerify: true } }", ['services[0].tls: is for https services; the url says http']],
    ["{ name: p, url: 'http://x', allow: [query] }, { name: p, url: 'http://y', allow: [query] }", ['services[1].name: the service name "p" is taken by services[0].name']],
    ["{ name: .control, url: 'http://x', allow: [query] }", [expect.stringMatching(/^services\[0\]\.name: /)]],
  ])('is a fault: %s', async (service, faults) => {
    const result = await load(service);
    expect(result.ok ? [] : result.error.map(placed)).toEqual(faults);
  });
});
