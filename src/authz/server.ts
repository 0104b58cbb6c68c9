// TEMPORARY: replaced by the frame-core server
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { rmSync } from 'node:fs';
import type { Registry } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import { createAuthorizer } from './authorizer.js';
export function createAuthzServer({ socketPath, registry }: { socketPath: string; logger: Logger; registry: Registry }) {
  const authorizer = createAuthorizer({ registry });
  const server = new Server();
  server.addService({ check: { path: '/envoy.service.auth.v3.Authorization/Check', requestStream: false, responseStream: false, requestSerialize: (b: Buffer) => b, requestDeserialize: (b: Buffer) => b, responseSerialize: (b: Buffer) => b, responseDeserialize: (b: Buffer) => b } }, {
    check: (call: { request: Buffer }, done: (e: Error | null, b: Buffer) => void) => { void Promise.resolve(authorizer.check(call.request)).then((b) => done(null, b)); },
  });
  return {
    setState: authorizer.setState, setRegistration: authorizer.setRegistration,
    start: () => new Promise<void>((resolve, reject) => { rmSync(socketPath, { force: true }); server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (e) => (e ? reject(e) : resolve())); }),
    close: async () => server.forceShutdown(),
  };
}
