import type { Registry } from 'prom-client';
import { startAgent } from '../agent/agent.js';
import type { Agent } from '../agent/agent.js';
import { loadAgentConfig } from '../config/agent-config.js';
import type { AgentConfig } from '../config/agent-config.js';
import { createLogger } from '../lib/logger.js';
import type { Renewal } from '../join/renewal.js';
import type { Logger } from '../lib/logger.js';
import { createAgentPush } from './agent-push.js';
import type { AgentPush } from './agent-push.js';
import { startAgentRenewal } from './agent-renewal.js';
import type { Command } from './command.js';
import { configFile, firstLoad, startReloading } from './config-life.js';
import { environment } from './environment.js';
import { createProcessRegistry } from './process-metrics.js';
import { untilShutdown } from './shutdown.js';
import { startStatusServer } from './status-server.js';

export const agentCommand: Command = {
  name: 'agent',
  usage: 'agent -c FILE | agent join TOKEN [--dir DIR]',
  summary: 'An agent at a site: one outbound tunnel to each gateway, nothing inbound (but a push door, if configured)',
  // What joining needs is read for joining only.
  run: async (argv) => (argv[0] === 'join' ? (await import('./join-command.js')).runJoin(argv.slice(1)) : run(argv)),
};

const MAX_CONNECTIONS_PER_TARGET = 8;
const RECONNECT = { baseMs: 250, maxMs: 30_000 };
const DIAL_TIMEOUT_MS = 10_000;

async function run(argv: readonly string[]): Promise<number> {
  const file = configFile(argv);
  const env = environment();
  const load = (): ReturnType<typeof loadAgentConfig> => loadAgentConfig(file, env);
  const first = await firstLoad(file, load);
  if (first === undefined) return 1;
  const { name, process: settings } = first.value;
  const logger = createLogger(settings.logLevel, { component: 'agent', ...(name !== undefined && { agent: name }) });
  const registry = createProcessRegistry();
  const running = startWith(first.value, logger, registry);
  const reloading = startReloading({ file, first, load, apply: running.apply, fixedPart: ({ process: fixed, settings: { gateways }, renewFile }) => [fixed, gateways, renewFile], logger, registry });
  let draining = false;
  const status = await startStatusServer({
    ...settings.metrics,
    notReady: () => {
      if (draining) return ['draining'];
      return [...(running.agent.connectedGateways() > 0 ? [] : ['no gateway is connected']), ...running.push.troubles()];
    },
    metrics: async () => ({ contentType: registry.contentType, body: `${await registry.metrics()}${await running.push.metrics()}` }),
  });
  logger.info({ statusPort: status.port, targets: first.value.settings.targets.length }, 'agent started');
  const code = await untilShutdown({
    logger,
    drainTimeoutMs: settings.drainTimeoutMs,
    drain: async () => {
      draining = true;
      reloading.stop();
      running.renewal.stop();
      await Promise.all([running.agent.drain(), running.push.drain()]);
    },
  });
  await status.close();
  logger.info('agent stopped');
  return code;
}

interface Running {
  readonly agent: Agent;
  readonly renewal: Renewal;
  readonly push: AgentPush;
  apply(config: AgentConfig): readonly [];
}

function startWith(config: AgentConfig, logger: Logger, registry: Registry): Running {
  let { credentials } = config;
  const renewal = startAgentRenewal(config, logger, registry);
  const { logLevel, drainTimeoutMs } = config.process;
  const push = createAgentPush({ logger, logLevel, logFields: config.name === undefined ? {} : { agent: config.name }, drainTimeoutMs });
  push.configure(config.push);
  const agent = startAgent(
    {
      ...config.settings,
      keepAlive: config.process.keepAlive,
      // renewed certificates are for the next dial; tunnels that are up stay up
      credentials: () => Promise.resolve(credentials),
      maxConnectionsPerTarget: MAX_CONNECTIONS_PER_TARGET,
      reconnect: RECONNECT,
      dialTimeoutMs: DIAL_TIMEOUT_MS,
    },
    { logger, registry },
  );
  return {
    agent,
    renewal,
    push,
    apply: (next) => {
      ({ credentials } = next);
      renewal.use(credentials);
      agent.configure(next.settings);
      push.configure(next.push);
      return [];
    },
  };
}
