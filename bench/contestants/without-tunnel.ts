import { startEnvoy } from '../../test/support/envoy.js';
import { freePort } from '../../test/support/ports.js';
import { bareBootstrap, loopback } from '../bare-envoy.js';
import { startChild } from '../child.js';
import type { Child } from '../child.js';
import { scrapeRequest, START_TIMEOUT_MS } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { TargetMessage, TargetOptions } from '../emulated-target.js';

/** What there would be where targets can be reached: they themselves, and an Envoy that only passes on. One process plays all targets. */

export const direct: Contestant = {
  name: 'direct',
  what: 'load → the targets, nothing between: what load and targets cost, and no more than they can do',
  start: async (round, started) => {
    const { target, port } = await startTarget(round, started);
    return { servers: [], agentsPid: target.pid, load: loadFor(round.agents, port) };
  },
};

export const bareEnvoy: Contestant = {
  name: 'envoy',
  what: 'load → Envoy (bare: no TLS, no ext_authz, no access log) → the targets, which it reaches itself',
  start: async (round, started) => {
    const { target, port: targetPort } = await startTarget(round, started);
    const port = await freePort();
    const adminSocket = `${round.dir}/admin.sock`;
    const bootstrap = bareBootstrap({ port, adminSocket, upstream: loopback(targetPort), http2: false });
    const envoy = started.use(await startEnvoy({ bootstrap, adminSocket, dir: round.dir }));
    await envoy.waitUntilReady();
    return { servers: [{ role: 'Envoy', pid: envoy.process.pid }], agentsPid: target.pid, load: loadFor(round.agents, port) };
  },
};

export async function startTarget({ dir, bodyFile }: Pick<Round, 'dir' | 'bodyFile'>, started: AsyncDisposableStack): Promise<{ readonly target: Child<TargetMessage>; readonly port: number }> {
  const port = await freePort();
  const target = started.use(await startChild<TargetOptions, TargetMessage>('emulated-target', dir, { port, bodyFile }));
  await target.next(START_TIMEOUT_MS);
  return { target, port };
}

function loadFor(agents: readonly string[], port: number): Running['load'] {
  return { host: '127.0.0.1', port, tls: undefined, requests: agents.map((agent) => scrapeRequest(`/${agent}/metrics`, `localhost:${port}`)) };
}
