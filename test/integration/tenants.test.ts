import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { lastAuditLine } from '../support/audit.js';
import { eventually } from '../support/eventually.js';
import { textAnswer } from '../support/exporter.js';
import type { HttpAnswer } from '../support/http.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** The rules of tenants through the real Envoy: deny, scopes, ends, limits, revocation, filters. */

const WEB = '/scrape/site-a/web';
const TOKENS = { whole: 'token-of-the-whole-team', narrow: 'token-for-one-target-only', old: 'token-that-has-ended-long-ago' };
const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');

let world: World;
beforeAll(async () => {
  const [teamA, teamB] = await worldTenants();
  world = await startWorld({
    gateway: {
      tenants: [
        {
          ...teamA,
          credentials: [
            ...[teamA?.['credentials']].flat(),
            { bearer: { sha256: sha256(TOKENS.whole) } },
            { bearer: { sha256: sha256(TOKENS.narrow) }, scope: [{ targets: ['web'] }] },
            { bearer: { sha256: sha256(TOKENS.old) }, expires: '2020-01-01T00:00:00Z' },
          ],
          deny: [{ selector: '{secret="yes"}' }],
          limits: { requestsPerSecond: 1000, maxConcurrentScrapes: 2, maxBodySize: '1MiB' },
        },
        teamB,
      ],
      templates: [{ name: 'slow', selector: '{kind="slow"}', tenants: ['team-a'], scrapeInterval: '2m', scrapeTimeout: '90s' }],
    },
    targetsA: [
      { name: 'other', url: 'http://127.0.0.1:1/metrics', labels: { kind: 'slow' } },
      { name: 'secret', url: 'http://127.0.0.1:1/metrics', labels: { secret: 'yes' } },
    ],
  });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(() => world.siteA.exporter.behave(textAnswer()));

function withToken(token: string, path: string): Promise<HttpAnswer> {
  return world.ask(undefined, path, { headers: { authorization: `Bearer ${token}` } });
}

function outcome({ status, headers }: HttpAnswer): string {
  return `${status} ${String(headers['x-scrapeway-reason'] ?? 'ok')}`;
}

describe('rules', () => {
  it('deny beats allow, looks like a target that is not there, and the audit line names the rule', async () => {
    expect(outcome(await world.ask('team-a', '/scrape/site-a/secret'))).toBe('403 target_forbidden');
    await eventually(async () => expect(await lastAuditLine(world.gateway.accessLogFile)).toMatchObject({ rule: 'tenants/team-a/deny[0]', auth: 'basic', decision: 'deny' }));
  });

  it.each([
    ['of the whole team', TOKENS.whole, '/scrape/site-a/web', '200 ok'],
    ['for one target', TOKENS.narrow, '/scrape/site-a/web', '200 ok'],
    ['for one target, at another', TOKENS.narrow, '/scrape/site-a/other', '403 target_forbidden'],
    ['that has ended', TOKENS.old, '/scrape/site-a/web', '401 bad_credentials'],
  ])('a token %s', async (_name, token, path, expected) => {
    expect(outcome(await withToken(token, path))).toBe(expected);
  });

  it('the audit line tells by which credential, and no secret', async () => {
    await withToken(TOKENS.whole, WEB);
    await eventually(async () => expect(await lastAuditLine(world.gateway.accessLogFile)).toMatchObject({ auth: 'bearer', credential: expect.stringMatching(/^bearer:[0-9a-f]{12}$/), status: 200 }));
    expect(await readFile(world.gateway.accessLogFile, 'utf8')).not.toContain(TOKENS.whole);
  });
});

describe('http_sd', () => {
  const targets = async (query: string, token = TOKENS.whole): Promise<unknown[]> => {
    const groups: { labels: Record<string, string> }[] = JSON.parse((await withToken(token, `/sd${query}`)).body.toString());
    return groups.map(({ labels }) => labels['target']);
  };

  it.each([
    ['', ['other', 'web']],
    ['?agent=site-a', ['other', 'web']],
    ['?agent=site-b', []],
    ['?label=env=prod', ['web']],
  ])('%s', async (query, expected) => {
    expect(await targets(query)).toEqual(expected);
  });

  it('lists for a narrow credential what it may scrape', async () => {
    expect(await targets('', TOKENS.narrow)).toEqual(['web']);
  });

  it('tells what a template says of its targets', async () => {
    const groups: { labels: Record<string, string> }[] = JSON.parse((await withToken(TOKENS.whole, '/sd?label=kind=slow')).body.toString());
    expect(groups).toMatchObject([{ labels: { __scrape_interval__: '2m', __scrape_timeout__: '90s' } }]);
  });

  it('refuses a query that it does not know', async () => {
    expect(outcome(await withToken(TOKENS.whole, '/sd?tenant=team-b'))).toBe('400 malformed_request');
  });
});

describe('limits', () => {

  it('scrapes at once', async () => {
    world.siteA.exporter.behave({ kind: 'hang' });
    const before = world.siteA.exporter.requests.length;
    const abort = new AbortController();
    const hanging = [1, 2].map(() => world.ask('team-a', WEB, { signal: abort.signal }).catch(() => undefined));
    await eventually(() => expect(world.siteA.exporter.requests).toHaveLength(before + 2));
    expect(outcome(await world.ask('team-a', WEB))).toBe('429 tenant_busy');
    abort.abort();
    await Promise.all(hanging);
    world.siteA.exporter.behave(textAnswer());
    await eventually(async () => expect(outcome(await world.ask('team-a', WEB))).toBe('200 ok'));
  });

  it('bytes: refused where the length is known, broken off where not', async () => {
    world.siteA.exporter.behave({ kind: 'answer', body: Buffer.alloc(2 ** 20 + 1) });
    expect(outcome(await world.ask('team-a', WEB))).toBe('502 body_too_large');
    world.siteA.exporter.behave({ kind: 'answer', body: Buffer.alloc(2 ** 20 + 1), chunked: true });
    await expect(world.ask('team-a', WEB)).rejects.toThrow();
    world.siteA.exporter.behave({ kind: 'answer', body: Buffer.alloc(2 ** 20), chunked: true });
    expect((await world.ask('team-a', WEB)).body).toHaveLength(2 ** 20);
  });

  it('requests per second, by Envoy', async () => {
    await world.gateway.reconfigure({ tenants: (await worldTenants()).map((tenant) => ({ ...tenant, limits: { requestsPerSecond: 1, burst: 3 } })) });
    await eventually(
      async () => {
        const outcomes = (await Promise.all(Array.from({ length: 8 }, () => world.ask('team-b', '/sd')))).map(outcome);
        expect(outcomes.filter((each) => each === '429 rate_limited').length).toBeGreaterThanOrEqual(4);
      },
      { timeoutMs: 15_000, intervalMs: 500 },
    );
    await world.gateway.reconfigure({});
    await eventually(
      async () => {
        const outcomes = (await Promise.all(Array.from({ length: 8 }, () => world.ask('team-b', '/sd')))).map(outcome);
        expect(new Set(outcomes)).toEqual(new Set(['200 ok']));
      },
      { timeoutMs: 15_000, intervalMs: 500 },
    );
  });
});

describe('revocation, within a second', () => {
  it('of a certificate by its serial: scrapes in flight end, new ones are refused', async () => {
    const certificate = new X509Certificate(await readFile((await world.pki.client('team-b')).certificateFile));
    world.siteB.exporter.behave({ kind: 'hang' });
    const inFlight = world.ask('team-b', '/scrape/site-b/web', { headers: { 'x-prometheus-scrape-timeout-seconds': '60' }, timeoutMs: 60_000 });
    await eventually(() => expect(world.siteB.exporter.requests.length).toBeGreaterThan(0));
    await world.gateway.reconfigure({ revoked: { serials: [certificate.serialNumber] } });
    expect(outcome(await inFlight)).toBe('403 revoked');
    expect(outcome(await world.ask('team-b', '/scrape/site-b/web'))).toBe('401 bad_credentials');
    await world.gateway.reconfigure({ revoked: {} });
    world.siteB.exporter.behave(textAnswer());
    await eventually(async () => expect(outcome(await world.ask('team-b', '/scrape/site-b/web'))).toBe('200 ok'));
  });

  it('of an agent by its name: its tunnel is cut and does not come back', async () => {
    await world.gateway.reconfigure({ revoked: { names: [{ uri: 'spiffe://scrapeway/agent/site-b' }] } });
    await world.siteB.agent.process.waitForLog(/agent_unknown/, { timeoutMs: 20_000 });
    expect(outcome(await world.ask('team-b', '/scrape/site-b/web', { headers: { 'x-prometheus-scrape-timeout-seconds': '1' } }))).toBe('503 agent_away');
    await world.gateway.reconfigure({ revoked: {} });
    await eventually(async () => expect(outcome(await world.ask('team-b', '/scrape/site-b/web'))).toBe('200 ok'), { timeoutMs: 40_000 });
  });
});

describe('when nobody decides', () => {
  it('everything is refused, and the reason says so', async () => {
    world.gateway.process.signal('SIGSTOP');
    try {
      for (const path of [WEB, '/sd', 'http://web.site-a.scrapeway/metrics']) expect(outcome(await world.ask('team-a', path))).toBe('503 authz_unavailable');
    } finally {
      world.gateway.process.signal('SIGCONT');
    }
    await eventually(async () => expect(outcome(await world.ask('team-a', WEB))).toBe('200 ok'), { timeoutMs: 20_000 });
  });
});
