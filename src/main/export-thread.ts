/**
 * The thread of exports: nothing that they do, not even a long collection, comes between Prometheus and a target. Everything it knows came by
 * message from the control thread, or lies on disk.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { createBehind } from '../behind/behind.js';
import { createExporter } from '../export/exporter.js';
import { createLogger } from '../lib/logger.js';
import { exportJobs } from './export-jobs.js';
import type { ExportThreadOptions, FromExportThread, ToExportThread } from './thread-messages.js';

const { folder, runtimeDir, logLevel }: ExportThreadOptions = workerData;
const port = parentPort;
if (port === null) throw new Error('export-thread.js is started as a worker thread only');
const tell = (message: FromExportThread): void => port.postMessage(message);

const logger = createLogger(logLevel, { component: 'export' });
const registry = new Registry();
const behind = createBehind(runtimeDir);
const exporter = createExporter({ folder, logger, registry, wayTo: behind.wayTo });

port.on('message', (message: ToExportThread) => {
  switch (message.type) {
    case 'state':
      behind.setState(message.state);
      void exporter.configure(exportJobs(message.state, (tenant, name, why) => logger.error({ tenant, export: name, why }, 'an export reads nothing')));
      return;
    case 'located':
      behind.located(message.agent, message.thread);
      return;
    case 'active':
      // What it stops, it stops before it returns.
      void exporter.setActive(message.active, message.left);
      tell({ type: 'settled', id: message.id });
      return;
    case 'collect':
      exporter.publish();
      void registry.getMetricsAsJSON().then((metrics) => tell({ type: 'metrics', id: message.id, metrics }));
      return;
    case 'view':
      tell({ type: 'view', id: message.id, text: exporter.view(message.tenant) });
      return;
    case 'report':
      tell({ type: 'reports', id: message.id, reports: exporter.reports() });
      return;
    case 'close':
      void exporter.close().then(() => tell({ type: 'closed' }));
      return;
  }
});
