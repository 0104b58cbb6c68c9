import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { Server as HttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { Http2Server } from 'node:http2';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { CheckRequestSchema, CheckResponseSchema } from '../../../src/gen/envoy/service/auth/v3/external_auth_pb.js';
import type { CheckRequest, CheckResponse } from '../../../src/gen/envoy/service/auth/v3/external_auth_pb.js';
import { listenOnUnixSocket } from '../../../src/lib/unix-socket.js';
import { reasonBody } from '../../../src/model/reasons.js';

/**
 * What Envoy finds behind it, so that its configuration can be tested alone: an ext_authz server that allows everything, a hub
 * that answers, a tunnel socket that echoes, an api. One data thread.
 */
export interface StubSidecar extends AsyncDisposable {
  /** Doors that ext_authz was asked about, in turn. */
  readonly doors: readonly string[];
}

export async function startStubSidecar(runtimeDir: string): Promise<StubSidecar> {
  const doors: string[] = [];
  const authz = await startAuthz(`${runtimeDir}/authz-0.sock`, doors);
  const hub = createHttp2Server((_request, response) => {
    response.setHeader('content-length', 8);
    response.end('scraped\n');
  });
  const tunnel = createHttpServer();
  tunnel.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: scrapeway-tunnel\r\n\r\n');
    socket.pipe(socket);
  });
  const api = createHttpServer((request, response) => response.end(`api for ${String(request.headers['x-scrapeway-tenant'])}\n`));
  const servers = [await listening(hub, `${runtimeDir}/hub-0.sock`), await listening(tunnel, `${runtimeDir}/tunnel-0.sock`), await listening(api, `${runtimeDir}/api.sock`)];
  return {
    doors,
    [Symbol.asyncDispose]: async () => {
      await authz();
      await Promise.all(servers.map((stop) => stop()));
    },
  };
}

/** Resolves with what stops it, connections included. */
async function listening(server: HttpServer | Http2Server, path: string): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  });
  await listenOnUnixSocket(server, path);
  return async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}

type CheckCall = ServerUnaryCall<CheckRequest, CheckResponse>;

async function startAuthz(path: string, doors: string[]): Promise<() => Promise<void>> {
  const server = new Server();
  const check = {
    path: '/envoy.service.auth.v3.Authorization/Check',
    requestStream: false,
    responseStream: false,
    requestDeserialize: (bytes: Buffer): CheckRequest => fromBinary(CheckRequestSchema, bytes),
    responseSerialize: (response: CheckResponse): Buffer => Buffer.from(toBinary(CheckResponseSchema, response)),
    requestSerialize: (request: CheckRequest): Buffer => Buffer.from(toBinary(CheckRequestSchema, request)),
    responseDeserialize: (bytes: Buffer): CheckResponse => fromBinary(CheckResponseSchema, bytes),
  };
  server.addService(
    { check },
    {
      check: ({ request }: CheckCall, answer: sendUnaryData<CheckResponse>) => {
        const door = request.attributes?.contextExtensions['door'] ?? 'nothing';
        doors.push(door);
        answer(null, decide(door));
      },
    },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => injector.injectConnection(socket));
  await listenOnUnixSocket(listener, path);
  return async () => {
    const closed = once(listener, 'close');
    listener.close();
    injector.destroy();
    server.forceShutdown();
    await closed;
  };
}

/** CONNECT is refused, so that a refusal is seen too; everything else is tenant `team-a`, agent `site-a`. */
function decide(door: string): CheckResponse {
  if (door === 'connect') {
    return create(CheckResponseSchema, {
      status: { code: 7 },
      httpResponse: {
        case: 'deniedResponse',
        value: { status: { code: 404 }, headers: [stamped('x-scrapeway-reason', 'door_forbidden')], body: reasonBody('door_forbidden') },
      },
      dynamicMetadata: { decision: 'deny', door },
    });
  }
  return create(CheckResponseSchema, {
    status: { code: 0 },
    httpResponse: { case: 'okResponse', value: { headers: [stamped('x-scrapeway-tenant', 'team-a'), stamped('x-scrapeway-agent', 'site-a')] } },
    dynamicMetadata: { decision: 'allow', door, tenant: 'team-a', agent: 'site-a' },
  });
}

function stamped(key: string, value: string): { readonly header: { readonly key: string; readonly value: string } } {
  return { header: { key, value } };
}
