/**
 * The thread of an agent's push door: however much a job pushes, and whoever guesses passwords, scrapes go on beside it. Everything it knows came by
 * message from the agent.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { createLogger } from '../lib/logger.js';
import { createSiteDoor } from '../push/site/door.js';
import type { FromSitePush, SitePushThreadOptions, ToSitePush } from './agent-push.js';
import { addUtilisation } from './thread-utilisation.js';

const { logLevel, logFields }: SitePushThreadOptions = workerData;
const port = parentPort;
if (port === null) throw new Error('site-push-thread.js is started as a worker thread only');
const tell = (message: FromSitePush): void => port.postMessage(message);

const registry = new Registry();
addUtilisation(registry, 'push');
const door = createSiteDoor({
  logger: createLogger(logLevel, { ...logFields, component: 'push' }),
  registry,
  onListening: (listening) => tell({ type: 'listening', listening }),
});

port.on('message', (message: ToSitePush) => {
  switch (message.type) {
    case 'configure':
      door.configure(message.settings);
      return;
    case 'collect':
      void registry.metrics().then((text) => tell({ type: 'metrics', id: message.id, text }));
      return;
    case 'close':
      void door.drain().then(() => tell({ type: 'closed' }));
      return;
  }
});
