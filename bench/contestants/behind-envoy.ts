import { startEnvoy } from '../../test/support/envoy.js';
import { freePort } from '../../test/support/ports.js';
import { startChild } from '../child.js';
import { bareBootstrap, pipe } from '../bare-envoy.js';
import { scrapeRequest, START_TIMEOUT_MS, TENANT } from '../contestant.js';
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
  const envoy = started.use(await startEnvoy({ bootstrap: bareBootstrap({ port, adminSocket, upstream: pipe(sockets.hubSocketPath), http2: true }), adminSocket, dir }));
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
  return [`x-scrapeway-tenant: ${TENANT}`, `x-scrapeway-agent: ${agent}`, 'x-scrapeway-target: node', 'x-scrapeway-path: /metrics', 'x-scrapeway-timeout-ms: 9500'];
}
