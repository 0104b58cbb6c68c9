/**
 * The thread of the query door and the push door: a long answer or a large push holds up neither a scrape nor the configuration. Everything it
 * knows came by message from the control thread; its requests come from Envoy, on a socket of its own.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { createBehind } from '../behind/behind.js';
import { refusal } from '../discovery/answer.js';
import { startApiServer } from '../discovery/api-server.js';
import { createLogger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { PushConfig } from '../push/options.js';
import { createPush } from '../push/push.js';
import { createQueryService } from '../query/service.js';
import { wayToBackend } from './backend-way.js';
import { createQueryDoor } from './query-door.js';
import { answerPush } from './push-door.js';
import { changed } from './state-change.js';
import { addUtilisation } from './thread-utilisation.js';
import { UnderWay } from './under-way.js';
import type { DoorThreadOptions, FromDoorThread, ToDoorThread } from './thread-messages.js';

const { runtimeDir, logLevel, cache }: DoorThreadOptions = workerData;
const port = parentPort;
if (port === null) throw new Error('door-thread.js is started as a worker thread only');
const tell = (message: FromDoorThread): void => port.postMessage(message);

const logger = createLogger(logLevel, { component: 'doors' });
const registry = new Registry();
addUtilisation(registry, 'doors');
const behind = createBehind(runtimeDir);
const queries = createQueryService({ logger: logger.child({ component: 'query' }), registry, wayTo: wayToBackend(runtimeDir, behind.wayTo), ...(cache !== undefined && { cache }) });
const queryDoor = createQueryDoor(queries);
const push = createPush({ config: { targets: [], tenants: new Map() }, logger: logger.child({ component: 'push' }), registry, wayTo: behind.wayTo });

const underWay = new UnderWay();
let state: DesiredState | undefined;

function pushConfig({ tenants, pushTargets = [] }: DesiredState): PushConfig {
  return { targets: pushTargets, tenants: new Map(tenants.flatMap(({ name, push: grants }) => (grants === undefined ? [] : [[name, grants]]))) };
}

async function close(): Promise<void> {
  await server.close();
  await queries.close();
  await push.close();
  tell({ type: 'closed' });
}

port.on('message', (message: ToDoorThread) => {
  switch (message.type) {
    case 'state':
      state = changed(state, message.change);
      behind.setState(state);
      queryDoor.setState(state);
      push.configure(pushConfig(state));
      underWay.setState(state);
      return;
    case 'located':
      behind.located(message.agent, message.thread);
      return;
    case 'expiring':
      push.setExpiring(message.expiring);
      return;
    case 'settle':
      void queries.settled().then(() => tell({ type: 'settled', id: message.id }));
      return;
    case 'collect':
      void registry.getMetricsAsJSON().then((metrics) => tell({ type: 'metrics', id: message.id, metrics }));
      return;
    case 'close':
      void close();
      return;
  }
});

const server = await startApiServer({
  socketPath: join(runtimeDir, 'doors.sock'),
  // Envoy routes nothing else here.
  answer: () => refusal('target_forbidden'),
  others: (request, response) => {
    const ended = underWay.begin(request, response);
    return queryDoor.handle(request, response, ended) || answerPush(push, request, response, ended);
  },
  logger,
});
tell({ type: 'listening' });
