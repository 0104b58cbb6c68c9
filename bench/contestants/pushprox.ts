import { fetchJson } from '../../test/support/http.js';
import { freePort } from '../../test/support/ports.js';
import { startProcess } from '../../test/support/process.js';
import { startChild } from '../child.js';
import { scrapeRequest, START_TIMEOUT_MS } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { PushProxClientsMessage, PushProxClientsOptions } from '../emulated-pushprox-clients.js';

/** PushProx as it comes, with its log quiet: it has no TLS, no authorization and no Envoy before it. */
export const pushProx: Contestant = {
  name: 'pushprox',
  what: 'load → the proxy of PushProx (no Envoy, no TLS, no authorization; `--log.level=error`) → emulated clients that poll and push',
  skip: () => (process.env['PUSHPROX_BIN'] ? undefined : 'PUSHPROX_BIN is not set'),
  start,
};

async function start({ dir, agents, bodyFile }: Round, started: AsyncDisposableStack): Promise<Running> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const command = process.env['PUSHPROX_BIN'] ?? '';
  const proxy = started.use(startProcess({ name: 'PushProx', command, args: [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error'] }));
  await proxy.until('its list of clients', () => fetchJson<readonly unknown[]>({ url: `${url}/clients` }));
  const clients = started.use(
    await startChild<PushProxClientsOptions, PushProxClientsMessage>('emulated-pushprox-clients', dir, { names: agents, host: '127.0.0.1', port, bodyFile }),
  );
  await clients.next(START_TIMEOUT_MS);
  await proxy.until('all clients known', async () => {
    const known = await fetchJson<readonly unknown[]>({ url: `${url}/clients` });
    if (known.length < agents.length) throw new Error(`${known.length} of ${agents.length}`);
  });
  return {
    servers: [{ role: 'PushProx', pid: proxy.pid }],
    agentsPid: clients.pid,
    load: { host: '127.0.0.1', port, tls: undefined, requests: agents.map((agent) => scrapeRequest(`http://${agent}:9100/metrics`, `${agent}:9100`)) },
  };
}
