import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

/** `sites` of the gateway's file: names, members, and grants that name either. */

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

const AGENTS = `
agents:
  - { name: paris-1, tenants: [team-a] }
  - { name: paris-2, tenants: [team-a] }
  - { name: rome, tenants: [team-b] }
tenants:
  - { name: team-b, credentials: [{ certificate: { dns: b.example } }] }
  - name: team-a
    credentials: [{ certificate: { dns: a.example } }]
`;

/** What stands in the file after the sections that it replaces. */
async function load(tail: string): Promise<Awaited<ReturnType<typeof loadGatewayConfig>>['result']> {
  const base = GATEWAY.replace(/^(?:tenants|agents):\n(?:[ #].*\n|\n)*/gm, '');
  return (await loadGatewayConfig(await dir.write('gateway.yaml', `${base}${AGENTS}${tail}`), NO_ENVIRONMENT)).result;
}

it('is a list of agents with a name, in an order, with or without a hedge', async () => {
  const loaded = await load('    scrape: [{ agents: [paris] }]\nsites: [{ name: paris, agents: [paris-1, paris-2], order: spread, hedge: 300ms }]\n');
  expect(loaded.ok ? loaded.value.state.sites : loaded.error.map(placed)).toEqual([{ name: 'paris', agents: ['paris-1', 'paris-2'], order: 'spread', hedge: 300 }]);
  const plain = await load('sites: [{ name: paris, agents: [paris-1], hedge: p95 }]\n');
  expect(plain.ok ? plain.value.state.sites : plain.error.map(placed)).toEqual([{ name: 'paris', agents: ['paris-1'], order: 'preference', hedge: 'p95' }]);
});

it.each([
  ['sites: [{ name: rome, agents: [paris-1] }]', 'sites[0].name: the name "rome" is taken by agents; a site is scraped by its name as an agent is'],
  ['sites: [{ name: paris, agents: [paris-9] }]', 'sites[0].agents[0]: no agent has the name "paris-9"; did you mean "paris-1"?'],
  ['sites: [{ name: paris, agents: [paris-1, rome] }]', 'sites[0].agents[1]: the agent "rome" serves other tenants than "paris-1"; all members of a site must serve the same'],
  ['sites: [{ name: p, agents: [paris-1] }, { name: q, agents: [paris-1] }]', 'sites[1].agents[0]: the agent "paris-1" is a member at sites[0].agents[0] already'],
  ['sites: [{ name: paris, agents: [paris-1], hedge: 5ms }]', 'sites[0].hedge: must be from 10ms to 1m'],
  ['    scrape: [{ agents: [paris-1] }]\nsites: [{ name: paris, agents: [paris-1] }]', 'tenants[1].scrape[0].agents[0]: the agent "paris-1" is scraped as the site "paris"; name that instead'],
  ['    deny: [{ agents: [paris-1] }]\nsites: [{ name: paris, agents: [paris-1] }]', 'tenants[1].deny[0].agents[0]: the agent "paris-1" is scraped as the site "paris"; name that instead'],
])('%s', async (tail, fault) => {
  const loaded = await load(`${tail}\n`);
  expect(loaded.ok ? [] : loaded.error.map(placed)).toEqual([fault]);
});
