import { startEnvoy } from '../../test/support/envoy.js';
import { freePort } from '../../test/support/ports.js';
import { startChild } from '../child.js';
import { scrapeRequest, START_TIMEOUT_MS } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { AgentsMessage, AgentsOptions } from '../emulated-agents.js';
import type { RelayMessage, RelayOptions } from '../hub-process.js';

/**
 * A relay in the hub's place, with the same surroundings whichever it is: a bare Envoy before it (no TLS, no ext_authz, no access log; requests come
 * stamped from the load generator), agents that dial its socket directly.
 */
export interface Relay {
  readonly name: string;
  readonly what: string;
  /** What the table calls the process. */
  readonly role: string;
  readonly program: 'hub-process' | 'naive-relay';
  /** It reads what agents register. */
  readonly registers: boolean;
}

export function behindEnvoy(relay: Relay): Contestant {
  return { name: relay.name, what: relay.what, start: (round, started) => start(relay, round, started) };
}

async function start({ role, program, registers }: Relay, { dir, agents, bodyFile }: Round, started: AsyncDisposableStack): Promise<Running> {
  const sockets = { hubSocketPath: `${dir}/hub-0.sock`, tunnelSocketPath: `${dir}/tunnel-0.sock` };
  const process = started.use(await startChild<RelayOptions, RelayMessage>(program, dir, { ...sockets, agents }));
  await process.next(START_TIMEOUT_MS);
  const port = await freePort();
  const adminSocket = `${dir}/admin.sock`;
  const envoy = started.use(await startEnvoy({ bootstrap: bareBootstrap(port, sockets.hubSocketPath, adminSocket), adminSocket, dir }));
  await envoy.waitUntilReady();
  const dial = { kind: 'unix', socketPath: sockets.tunnelSocketPath } as const;
  const emulated = started.use(await startChild<AgentsOptions, AgentsMessage>('emulated-agents', dir, { names: agents, dial, registers, bodyFile }));
  await emulated.next(START_TIMEOUT_MS);
  return {
    servers: [
      { role: 'Envoy', pid: envoy.process.pid },
      { role, pid: process.pid },
    ],
    agentsPid: emulated.pid,
    load: { host: '127.0.0.1', port, tls: undefined, requests: agents.map((agent) => scrapeRequest(`/scrape/${agent}/node`, `localhost:${port}`, stamps(agent))) },
  };
}

/** What ext_authz would have put on the request. */
export function stamps(agent: string): readonly string[] {
  return [`x-scrapeway-tenant: team-a`, `x-scrapeway-agent: ${agent}`, 'x-scrapeway-target: node', 'x-scrapeway-path: /metrics', 'x-scrapeway-timeout-ms: 9500'];
}

const TYPE = 'type.googleapis.com/envoy.extensions';

function pipe(socketPath: string): object {
  return { pipe: { path: socketPath } };
}

function bareBootstrap(port: number, hubSocketPath: string, adminSocket: string): string {
  const connectionManager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'scrape',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'hub', timeout: '10s' } }] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } }],
  };
  const http2 = { '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`, explicit_http_config: { http2_protocol_options: {} } };
  return JSON.stringify({
    admin: { address: pipe(adminSocket) },
    static_resources: {
      listeners: [
        {
          name: 'scrape',
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager }] }],
        },
      ],
      clusters: [
        {
          name: 'hub',
          type: 'STATIC',
          circuit_breakers: { thresholds: [{ max_requests: 100_000, max_pending_requests: 100_000 }] },
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
          load_assignment: { cluster_name: 'hub', endpoints: [{ lb_endpoints: [{ endpoint: { address: pipe(hubSocketPath) } }] }] },
        },
      ],
    },
  });
}
