import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { loadGatewayConfig } from '../config/gateway-config.js';
import type { GatewayConfig } from '../config/gateway-config.js';
import { bootstrapYaml } from '../xds/bootstrap.js';
import { createLogger } from '../lib/logger.js';
import { configFile, firstLoad, startReloading } from './config-life.js';
import { complain, print } from './command.js';
import type { Command } from './command.js';
import { environment } from './environment.js';
import { adminPost, startEnvoy } from './envoy-process.js';
import { findEnvoy } from './find-envoy.js';
import { startGateway } from './gateway.js';
import { joinKubernetes } from './kubernetes.js';
import { createProcessRegistry } from './process-metrics.js';
import { claimRuntimeDir } from './runtime-dir.js';
import { untilShutdown } from './shutdown.js';
import { startStatusServer } from './status-server.js';

export const gatewayCommand: Command = {
  name: 'gateway',
  usage: 'gateway -c FILE',
  summary: 'The gateway beside an Envoy that something else runs (see bootstrap)',
  run: (argv) => run(argv, { withEnvoy: false }),
};

export const upCommand: Command = {
  name: 'up',
  usage: 'up -c FILE',
  summary: 'The gateway and its Envoy: one host, one command',
  run: (argv) => run(argv, { withEnvoy: true }),
};

export const bootstrapCommand: Command = {
  name: 'bootstrap',
  usage: 'bootstrap -c FILE',
  summary: "Print Envoy's bootstrap for this gateway",
  run: async (argv) => {
    const config = await firstLoad(configFile(argv), (file) => loadGatewayConfig(file, environment()));
    if (config === undefined) return 1;
    print(bootstrapOf(config.value).trimEnd());
    return 0;
  },
};

/** Longest that scrapes in flight may take to finish: Prometheus's own limit is its scrape time-out, rarely above it. */
const DRAIN_TIMEOUT_MS = 30_000;

function bootstrapOf({ state: { gateway }, process: { runtimeDir } }: GatewayConfig): string {
  const { maxConnections, maxScrapeConnections } = gateway.limits;
  return bootstrapYaml({ nodeId: gateway.id, runtimeDir, maxConnections, maxScrapeConnections });
}

async function run(argv: readonly string[], { withEnvoy }: { readonly withEnvoy: boolean }): Promise<number> {
  const file = configFile(argv);
  const env = environment();
  const load = (): ReturnType<typeof loadGatewayConfig> => loadGatewayConfig(file, env);
  const first = await firstLoad(file, load);
  if (first === undefined) return 1;
  const { process: settings, state } = first.value;
  const envoyBinary = withEnvoy ? findEnvoy(settings.envoy.path, env) : undefined;
  const taken = withEnvoy && envoyBinary === undefined ? `no Envoy: ${settings.envoy.path ?? 'none on the PATH'}; set ENVOY_BIN or envoy.path` : await claimRuntimeDir(settings.runtimeDir);
  if (taken !== undefined) {
    complain(`scrapeway: ${taken}`);
    return 1;
  }
  const logger = createLogger(settings.logLevel, { component: 'gateway', gateway: state.gateway.id });
  const registry = createProcessRegistry();
  const kubernetes = await joinKubernetes(first.value, logger, registry);
  const gateway = await startGateway(kubernetes.first, logger, registry);
  const apply = kubernetes.follow(gateway.apply);
  kubernetes.leadExports(gateway);
  const adminSocketPath = join(settings.runtimeDir, 'admin.sock');
  const envoy = envoyBinary === undefined ? undefined : launch(envoyBinary, first.value, { adminSocketPath, logger });
  const reloading = startReloading({ file, first, load, apply, fixedPart: (config) => config.process, logger, registry });
  // Whoever rotates the audit log by moving it sends this, as to every Envoy.
  process.on('SIGUSR1', () => void adminPost(adminSocketPath, '/reopen_logs'));
  let draining = false;
  const status = await startStatusServer({
    ...settings.metrics,
    notReady: () => (draining ? ['draining'] : [...gateway.notReady(), ...kubernetes.notReady()]),
    notes: kubernetes.notes,
    metrics: gateway.metrics,
  });
  logger.info({ statusPort: status.port, dataThreads: settings.dataThreads, runtimeDir: settings.runtimeDir }, 'gateway started');

  const code = await untilShutdown({
    logger,
    drainTimeoutMs: DRAIN_TIMEOUT_MS + settings.drainDelayMs,
    drain: async () => {
      draining = true;
      reloading.stop();
      await kubernetes.close();
      // Envoy asks clients to come back by a new connection, which a load balancer may give to somebody else.
      await adminPost(adminSocketPath, '/drain_listeners?graceful&skip_exit');
      await setTimeout(settings.drainDelayMs);
      // Not graceful: takes no more connections from outside, and leaves those that there are. Queries among them still have their way to backends.
      await adminPost(adminSocketPath, '/drain_listeners?inboundonly');
      await gateway.drain();
    },
  });
  await envoy?.stop();
  await gateway.close();
  await status.close();
  logger.info('gateway stopped');
  return code;
}

function launch(binary: string, config: GatewayConfig, { adminSocketPath, logger }: { readonly adminSocketPath: string; readonly logger: ReturnType<typeof createLogger> }) {
  const bootstrapPath = join(config.process.runtimeDir, 'bootstrap.yaml');
  writeFileSync(bootstrapPath, bootstrapOf(config), { mode: 0o600 });
  logger.info({ binary, bootstrapPath }, 'starting Envoy');
  return startEnvoy({ ...config.process.envoy, binary, bootstrapPath, adminSocketPath, logger });
}

