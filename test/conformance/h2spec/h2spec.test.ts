import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream';
import { Registry } from 'prom-client';
import { createAuthzServer } from '../../../src/authz/server.js';
import { silentLogger } from '../../../src/lib/logger.js';
import { portOf } from '../../support/ports.js';
import { createTempDir } from '../../support/temp-dir.js';
import { casesThat, runH2spec } from './h2spec.js';

/**
 * Our frame core against h2spec, by way of the ext_authz service (all its cases are requests that are refused, with a body);
 * beside it Node's own HTTP/2 server, which shows that h2spec does find faults here and now.
 */

/** Cases that we fail on purpose: name → reason. */
const DEVIATIONS: Readonly<Record<string, string>> = {};

/** h2spec 2.2.1 has this many, strict ones included: a run of fewer was cut short. */
const CASES = 146;

interface TcpServer extends AsyncDisposable {
  readonly port: number;
}

/** h2spec speaks TCP only, the service Unix only. */
async function startAuthzOnTcp(): Promise<TcpServer> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  const socketPath = dir.join('authz.sock');
  const authz = createAuthzServer({ socketPath, logger: silentLogger, registry: new Registry() });
  await authz.start();
  stack.defer(() => authz.close());
  const forwarder = createServer((client) => {
    const service = connect(socketPath);
    // A reset by either end is none of the forwarder's business.
    pipeline(client, service, client, () => {});
  });
  forwarder.listen(0, '127.0.0.1');
  await once(forwarder, 'listening');
  stack.defer(() => void forwarder.close());
  return { port: portOf(forwarder), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function startNodeServer(): Promise<TcpServer> {
  const server = http2.createServer((request, response) => {
    request.resume();
    response.end('hello');
  });
  // A connection that h2spec spoils is Node's to close.
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}

describe('h2spec', () => {
  it('finds no fault with the frame core but those that are explained, and more with node:http2', async () => {
    await using authz = await startAuthzOnTcp();
    await using node = await startNodeServer();
    const ours = await runH2spec(authz.port);
    const nodes = await runH2spec(node.port);

    expect(casesThat('failed', ours)).toEqual(Object.keys(DEVIATIONS));
    expect(casesThat('skipped', ours)).toEqual([]);
    expect(ours.size).toBe(CASES);
    expect([...nodes.keys()].toSorted()).toEqual([...ours.keys()].toSorted());
    // Which also says that it does find faults.
    expect(casesThat('failed', ours).length).toBeLessThan(casesThat('failed', nodes).length);
  });
});
