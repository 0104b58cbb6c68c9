/**
 * The gateway's control thread: wires configuration, data threads, xDS, discovery and status, and runs them as one.
 *
 * Data flows one way: file → DesiredState → (xDS → Envoy) and (data threads: ext_authz, hub). What agents register flows back
 * from the data threads to discovery and out to all of them again.
 */
import { mkdirSync } from 'node:fs';
import { AggregatorRegistry, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import type { GatewayConfig } from '../config/gateway.js';
import { createDiscovery } from '../discovery/discovery.js';
import { createLogger } from '../lib/logger.js';
import type { Logger } from '../lib/logger.js';
import { createControlPlane } from '../xds/control-plane.js';
import { startDataThreads } from './data-threads.js';
import { adminPost, startEnvoy } from './envoy-process.js';
import { startStatusServer } from './status-server.js';
import { version } from './version.js';
