import { startEnvoy } from '../../test/support/envoy.js';
import { freePort } from '../../test/support/ports.js';
import { startChild } from '../child.js';
import { loopback, pipe, reverseTunnelBootstrap } from '../bare-envoy.js';
import { scrapeRequest, START_TIMEOUT_MS } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { ReverseTunnelsMessage, ReverseTunnelsOptions } from '../emulated-reverse-tunnels.js';

/**
 * Envoy's own reverse tunnels, which are experimental: no TLS (it is thrown away after the handshake), no authorization. A worker
 * has only the tunnels that it was given and asks no other for one, so that an Envoy of one worker is what can be relied on.
 */
export const reverseTunnel: Contestant = {
  name: 'reverse-tunnel',
  what: "load → Envoy (one worker, its native reverse tunnels: experimental; no TLS, no ext_authz, no access log) → emulated agents' tunnels in that Envoy",
  start,
};

async function start({ dir, agents, bodyFile }: Round, started: AsyncDisposableStack): Promise<Running> {
  const ports = { scrape: await freePort(), agents: await freePort() };
  const adminSocket = `${dir}/admin.sock`;
  const envoy = started.use(await startEnvoy({ bootstrap: reverseTunnelBootstrap({ port: ports.scrape, tunnels: loopback(ports.agents), admin: pipe(adminSocket) }), adminSocket, dir, concurrency: 1 }));
  await envoy.waitUntilReady();
  const emulated = started.use(await startChild<ReverseTunnelsOptions, ReverseTunnelsMessage>('emulated-reverse-tunnels', dir, { names: agents, host: '127.0.0.1', port: ports.agents, bodyFile }));
  await emulated.next(START_TIMEOUT_MS);
  return {
    servers: [{ role: 'Envoy', pid: envoy.process.pid }],
    agentsPid: emulated.pid,
    load: { host: '127.0.0.1', port: ports.scrape, tls: undefined, requests: agents.map((agent) => scrapeRequest('/metrics', 'targets', [`x-agent-id: ${agent}`])) },
  };
}
