/**
 * A data thread: its part of the hub and an ext_authz server, on Unix sockets of its own (DESIGN §2.5). Everything it knows
 * came by message from the control thread.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { createAuthzServer } from '../authz/server.js';
import { createHub } from '../hub/hub.js';
import { serviceSocketName } from '../tunnel/services.js';
import { createLogger } from '../lib/logger.js';
import { addUtilisation } from './thread-utilisation.js';
import { createTokenQuestions } from './token-questions.js';
import type { DataThreadOptions, FromDataThread, ToDataThread } from './thread-messages.js';

const options: DataThreadOptions = workerData;
const port = parentPort;
if (port === null) throw new Error('data-thread.js is started as a worker thread only');
const tell = (message: FromDataThread): void => port.postMessage(message);

const logger = createLogger(options.logLevel, { component: `data-${options.index}` });
const registry = new Registry();
addUtilisation(registry, `data-${options.index}`);

const questions = createTokenQuestions(tell);
const authz = createAuthzServer({ reviewToken: questions.review, socketPath: join(options.runtimeDir, `authz-${options.index}.sock`), logger, registry });
const hub = createHub({
  hubSocketPath: join(options.runtimeDir, `hub-${options.index}.sock`),
  tunnelSocketPath: join(options.runtimeDir, `tunnel-${options.index}.sock`),
  maxLanes: options.maxLanes,
  serviceSocketPath: join(options.runtimeDir, serviceSocketName(options.index)),
  timing: { keepAlive: options.keepAlive, reconnectGraceMs: options.reconnectGraceMs },
  logger,
  registry,
  mayStay: authz.mayStay,
  onRegistration: (registration) => tell({ type: 'registered', registration }),
  onAgentState: (agent, state) => tell({ type: 'agent', agent, state }),
});

port.on('message', (message: ToDataThread) => {
  switch (message.type) {
    case 'state':
      authz.setState(message.state);
      hub.setState(message.state);
      return;
    case 'registration':
      authz.setRegistration(message.agent, message.targets);
      return;
    case 'reviewed':
      questions.answered(message.id, message.verdict);
      return;
    case 'collect':
      void registry.getMetricsAsJSON().then((metrics) => tell({ type: 'metrics', id: message.id, metrics }));
      return;
    case 'drain':
      void hub.drain().then(() => tell({ type: 'drained' }));
      return;
  }
});

await Promise.all([hub.start(), authz.start()]);
tell({ type: 'listening' });
