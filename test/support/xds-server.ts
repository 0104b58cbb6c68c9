import { Registry } from 'prom-client';
import { systemClock } from '../../src/lib/clock.js';
import type { Clock } from '../../src/lib/clock.js';
import { silentLogger } from '../../src/lib/logger.js';
import { listenOnUnixSocket } from '../../src/lib/unix-socket.js';
import type { ConnectionStatus } from '../../src/xds/connection.js';
import { createXdsMetrics } from '../../src/xds/metrics.js';
import { startXdsServer } from '../../src/xds/server.js';
import type { XdsServerOptions } from '../../src/xds/server.js';
import { changesBetween } from '../../src/xds/snapshot.js';
import type { Snapshot } from '../../src/xds/snapshot.js';
import { createTempDir } from './temp-dir.js';
import { XdsClient } from './xds-client.js';
import type { Way } from './xds-client.js';
import { snapshot } from './xds-snapshot.js';
import type { Sketch } from './xds-snapshot.js';

/**
 * The real xDS server on a Unix socket of its own, serving sketches of resources (xds-snapshot.ts).
 */
export interface SketchServer extends AsyncDisposable {
  readonly socketPath: string;
  readonly registry: Registry;
  /** Resolves when every request that its clients have written so far has been taken: no test races its own client. */
  heard(): Promise<void>;
  /** Publishes when all has been heard. */
  publish(sketch: Sketch): Promise<void>;
  connect(way: Way, node?: string): XdsClient;
  status(): readonly ConnectionStatus[];
}

export interface SketchServerOptions {
  readonly stream?: XdsServerOptions['stream'];
  readonly clock?: Clock;
}

/** `sketch` undefined = nothing is published yet. */
export async function startSketchServer(sketch: Sketch | undefined, { stream = {}, clock = systemClock }: SketchServerOptions = {}): Promise<SketchServer> {
  const dir = await createTempDir();
  const socketPath = dir.join('xds.sock');
  const registry = new Registry();
  const clients: XdsClient[] = [];
  let taken = 0;
  let wake: (() => void) | undefined;
  let published: Snapshot | undefined = sketch === undefined ? undefined : snapshot(sketch);
  const metrics = createXdsMetrics(registry, () => new Map());
  const server = await startXdsServer({
    listen: (listener) => listenOnUnixSocket(listener, socketPath),
    logger: silentLogger,
    metrics: {
      ...metrics,
      request: (typeUrl, outcome) => {
        metrics.request(typeUrl, outcome);
        taken += 1;
        wake?.();
      },
    },
    clock,
    stream,
    snapshot: () => published,
    onProgress: () => undefined,
  });
  const heard = async (): Promise<void> => {
    while (taken < clients.reduce((sum, { sent }) => sum + sent, 0)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    socketPath,
    registry,
    heard,
    publish: async (next) => {
      await heard();
      const before = published;
      published = snapshot(next);
      server.publish(published, changesBetween(before, published));
    },
    connect: (way, node) => {
      const client = new XdsClient(`unix:${socketPath}`, way, node);
      clients.push(client);
      return client;
    },
    status: () => [...server.connections].map((connection) => connection.status()),
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}
