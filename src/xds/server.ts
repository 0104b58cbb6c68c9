/**
 * The gRPC edge: all xDS services on one socket. It knows nothing of resources; each call becomes a Connection.
 */
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { createServer } from 'node:net';
import type { Server as NetServer } from 'node:net';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { Connection } from './connection.js';
import type { ConnectionOptions } from './connection.js';
import type { XdsMetrics } from './metrics.js';
import type { TypeUrl } from './resource-types.js';
import { DISCOVERY_METHODS, methodDefinition } from './services.js';
import type { DiscoveryMethod } from './services.js';
import type { Snapshot } from './snapshot.js';

export interface XdsServerOptions extends Pick<ConnectionOptions, 'stream' | 'onProgress'> {
  /** Makes the server take connections: on a Unix socket in the product, on a port in the conformance adapter. */
  readonly listen: (server: NetServer) => Promise<void>;
  readonly logger: Logger;
  readonly metrics: XdsMetrics;
  readonly clock: Clock;
  readonly snapshot: () => Snapshot | undefined;
}

export interface XdsServer {
  readonly connections: ReadonlySet<Connection>;
  publish(snapshot: Snapshot, changes: ReadonlyMap<TypeUrl, ReadonlySet<string>>): void;
  /** Ends every stream at once: clients keep what they have. */
  close(): Promise<void>;
}

/** A client that reconnects sends a version for each resource it has; grpc-js would refuse more than 4 MiB (xds.md §2). */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;
const MAX_STREAMS = 1_000;

const GRPC_OPTIONS = {
  'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
  'grpc.max_send_message_length': -1,
  // The kernel tells of a client that ended; this tells of one that hangs.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 20_000,
};

/** Resolves when it takes clients. */
export async function startXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const connections = new Set<Connection>();
  let lastId = 0;

  const serve = (method: DiscoveryMethod, call: ConnectionOptions['call']): void => {
    if (connections.size >= MAX_STREAMS) {
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: `more than ${MAX_STREAMS} streams` });
      return;
    }
    lastId += 1;
    const { logger, metrics, clock, stream, onProgress } = options;
    const connection: Connection = new Connection({
      id: lastId,
      method,
      call,
      snapshot: options.snapshot(),
      logger,
      metrics,
      clock,
      stream,
      onProgress,
      onClose: () => {
        connections.delete(connection);
        onProgress();
      },
    });
    connections.add(connection);
  };

  const grpc = new Server(GRPC_OPTIONS);
  for (const service of new Set(DISCOVERY_METHODS.map((method) => method.service))) addService(grpc, service, serve);
  // Our own listener in front, since grpc-js sets no mode on a Unix socket.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  await options.listen(listener);

  return {
    connections,
    publish: (snapshot, changes) => {
      for (const connection of connections) connection.publish(snapshot, changes);
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      injector.destroy();
      grpc.forceShutdown();
      await closed;
    },
  };
}

function addService(grpc: Server, service: string, serve: (method: DiscoveryMethod, call: ConnectionOptions['call']) => void): void {
  const methods = DISCOVERY_METHODS.filter((method) => method.service === service);
  const definition: ServiceDefinition = Object.fromEntries(methods.map((method) => [method.method, methodDefinition(method)]));
  const implementation: UntypedServiceImplementation = Object.fromEntries(
    methods.map((method) => [method.method, (call: ConnectionOptions['call']) => serve(method, call)]),
  );
  grpc.addService(definition, implementation);
}
