import { describe, expect, it } from '@jest/globals';
import { desiredState, target } from '../../test/support/desired-state.js';
import { manualClock } from '../../test/support/manual-clock.js';
import { REASONS, reasonBody } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { answerSd } from './answer.js';
import type { Answer, SdQuestion } from './answer.js';
import { Inventory } from './inventory.js';
import { compileTenancy } from './tenancy.js';

const state = desiredState({
  tenants: [{ name: 'team-a' }, { name: 'team-b' }],
  agents: [
    { name: 'site-a', tenants: ['team-a'] },
    { name: 'site-b', tenants: ['team-b'] },
  ],
});
const tenancy = compileTenancy(state);

/** site-a has registered, site-b has not, and there was no time yet. */
function ask(question: Partial<SdQuestion>): Answer {
  const inventory = new Inventory({ settleMs: 1000, retentionMs: 1000, clock: manualClock(), wallMs: () => 0, onForgotten: () => undefined }, []);
  inventory.register('site-a', [target('node')]);
  return answerSd({ tenant: 'team-a', credentials: '', authority: 'gw.example:9443', url: '/sd', ...question }, tenancy, inventory);
}

describe('an answer', () => {
  it('is the JSON that Prometheus takes', () => {
    const { status, headers, body } = ask({});
    expect([status, headers]).toEqual([200, { 'content-type': 'application/json; charset=utf-8' }]);
    expect(JSON.parse(body)).toMatchObject([{ targets: ['gw.example:9443'], labels: { target: 'node' } }]);
  });

  it.each([
    ['/sd?door=path', 'gw.example:9443'],
    ['/sd?door=proxy', 'node.site-a.scrapeway:9100'],
  ])('%s', (url, address) => {
    expect(JSON.parse(ask({ url }).body)).toMatchObject([{ targets: [address] }]);
  });

  it.each([
    ['gw.example', 'gw.example:443'],
    ['10.0.0.1:80', '10.0.0.1:80'],
    ['[::1]', '[::1]:443'],
    ['[::1]:9443', '[::1]:9443'],
  ])('by path, the gateway is where the client found it: %s', (authority, address) => {
    expect(JSON.parse(ask({ authority }).body)).toMatchObject([{ targets: [address] }]);
  });
});

describe('a refusal', () => {
  it.each<readonly [string, Partial<SdQuestion>, Reason]>([
    ['nobody', { tenant: undefined }, 'target_forbidden'],
    ['a tenant that is gone', { tenant: 'team-x' }, 'target_forbidden'],
    ['two tenants', { tenant: 'team-a, team-b' }, 'target_forbidden'],
    ['another door', { url: '/sd?door=window' }, 'malformed_request'],
    ['another parameter', { url: '/sd?door=path&tenant=x' }, 'malformed_request'],
    ['a URL that is none', { url: 'http://[/' }, 'malformed_request'],
    ['targets that are not known yet', { tenant: 'team-b' }, 'discovery_unknown'],
  ])('%s', (_, question, reason) => {
    expect(ask(question)).toEqual({ status: REASONS[reason].status, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-scrapeway-reason': reason }, body: reasonBody(reason) });
  });
});

describe('a site with several agents', () => {
  const paris = compileTenancy(
    desiredState({
      tenants: [{ name: 'team-a' }],
      agents: ['paris-1', 'paris-2'].map((name) => ({ name, tenants: ['team-a'] })),
      sites: [{ name: 'paris', agents: ['paris-1', 'paris-2'] }],
    }),
  );
  function listed(inventory: Inventory): unknown {
    const answer = answerSd({ tenant: 'team-a', credentials: '', authority: 'gw.example:9443', url: '/sd?agent=paris' }, paris, inventory);
    if (answer.status !== 200) return answer.headers['x-scrapeway-reason'];
    const groups: readonly { readonly labels: Readonly<Record<string, string>> }[] = JSON.parse(answer.body);
    return groups.map(({ labels }) => `${labels['__metrics_path__']} ${labels['agent']} ${labels['from']}`);
  }

  it('is listed when all its members are known, each target once, as the first has it; for as long as one is remembered', () => {
    const clock = manualClock();
    let wallMs = 0;
    const inventory = new Inventory({ settleMs: 1000, retentionMs: 1000, clock, wallMs: () => wallMs, onForgotten: () => undefined }, []);
    inventory.register('paris-2', [target('node', { labels: { from: '2' } })]);
    expect(listed(inventory)).toBe('discovery_unknown');
    inventory.register('paris-1', [target('node', { labels: { from: '1' } })]);
    expect(listed(inventory)).toEqual(['/scrape/paris/node paris 1']);
    inventory.agentState('paris-1', 'down');
    expect(listed(inventory)).toEqual(['/scrape/paris/node paris 1']);
    wallMs = 1000;
    clock.advance(1000);
    expect(listed(inventory)).toEqual(['/scrape/paris/node paris 2']);
    inventory.stop();
  });
});
