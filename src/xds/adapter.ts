/**
 * The conformance adapter: the real xDS server on one port, and on another the gRPC service `adapter.Adapter` with which the
 * public ii/xds-test-harness sets its resources. A test tool; nothing in the product uses it.
 */
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { handleUnaryCall, MethodDefinition } from '@grpc/grpc-js';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server as NetServer } from 'node:net';
import { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { decodeResource, decodeSetState, encodeSuccess, encodeText } from './adapter-codec.js';
import { AdapterState } from './adapter-state.js';
import type { AdapterUpdate } from './adapter-state.js';
import { createXdsMetrics } from './metrics.js';
import { startXdsServer } from './server.js';
import type { Snapshot } from './snapshot.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface XdsAdapterOptions {
  /** Where xDS is served (`-T` of the harness). */
  readonly xds: HostPort;
  /** Where resources are set (`-A`). */
  readonly adapter: HostPort;
  readonly logger: Logger;
}

export interface XdsAdapter {
  /** As they were had: port 0 asks for any. */
  readonly xds: HostPort;
  readonly adapter: HostPort;
  close(): Promise<void>;
}

/** Resolves when both take clients. */
export async function startXdsAdapter({ xds, adapter, logger }: XdsAdapterOptions): Promise<XdsAdapter> {
  const state = new AdapterState();
  let published: Snapshot | undefined;
  let xdsPort = xds.port;
  const server = await startXdsServer({
    listen: async (listener) => {
      xdsPort = await listenOnPort(listener, xds);
    },
    logger,
    metrics: createXdsMetrics(new Registry(), () => new Map()),
    clock: systemClock,
    // Its resources of different types have nothing to do with each other: nothing is worth waiting for.
    stream: { maxHoldMs: 0 },
    snapshot: () => published,
    onProgress: () => undefined,
  });
  const publish = ({ snapshot, changes }: AdapterUpdate): void => {
    published = snapshot;
    server.publish(snapshot, changes);
  };
  const { grpc, port, close } = await startAdapterService(adapter, {
    SetState: (bytes) => {
      const { resources, version } = decodeSetState(bytes);
      publish(state.set(resources, version));
      return encodeSuccess();
    },
    ClearState: () => {
      publish(state.clear());
      return encodeText('cleared');
    },
    UpdateResource: (bytes) => {
      publish(state.put(decodeResource(bytes)));
      return encodeSuccess();
    },
    AddResource: (bytes) => {
      publish(state.put(decodeResource(bytes)));
      return encodeSuccess();
    },
    RemoveResource: (bytes) => {
      publish(state.remove(decodeResource(bytes)));
      return encodeSuccess();
    },
  });
  return {
    xds: { host: xds.host, port: xdsPort },
    adapter: { host: adapter.host, port },
    close: async () => {
      await close();
      grpc.forceShutdown();
      await server.close();
    },
  };
}

type Methods = Readonly<Record<string, (request: Uint8Array) => Uint8Array>>;

async function startAdapterService(address: HostPort, methods: Methods): Promise<{ grpc: Server; port: number; close: () => Promise<void> }> {
  const grpc = new Server();
  const names = Object.keys(methods);
  grpc.addService(
    Object.fromEntries(names.map((name) => [name, unary(name)])),
    Object.fromEntries(Object.entries(methods).map(([name, answer]) => [name, handler(answer)])),
  );
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  const port = await listenOnPort(listener, address);
  return {
    grpc,
    port,
    close: async () => {
      const closed = once(listener, 'close');
      listener.close();
      injector.destroy();
      await closed;
    },
  };
}

const serialize = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const deserialize = (bytes: Buffer): Uint8Array => bytes;

function unary(name: string): MethodDefinition<Uint8Array, Uint8Array> {
  return {
    path: `/adapter.Adapter/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

/**
 * The harness drops a subscription on one connection and at once changes the resource on another, and means this order. Nobody
 * promises it, so a change waits until what was sent before it has come.
 */
const SETTLE_MS = 50;

function handler(answer: (request: Uint8Array) => Uint8Array): handleUnaryCall<Uint8Array, Uint8Array> {
  return ({ request }, reply) => {
    systemClock.after(SETTLE_MS, () => {
      try {
        reply(null, answer(request));
      } catch (error) {
        reply({ code: status.INVALID_ARGUMENT, details: error instanceof Error ? error.message : String(error) });
      }
    });
  };
}

async function listenOnPort(server: NetServer, { host, port }: HostPort): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
