import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import type { TestPki } from '../../test/support/certificates.js';
import { startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGateway } from '../../test/support/fake-gateway.js';
import { portOf } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { systemClock } from '../lib/clock.js';
import { dial } from './dial.js';
import type { DialOptions } from './dial.js';
import type { TlsCredentials } from '../model/agent-settings.js';
import { startSession } from './session.js';

/** One tunnel over a network whose uplink can be held while its downlink goes on, and a dial that is given up. */

let dir: TempDir;
let pki: TestPki;
let credentials: TlsCredentials;

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  const { cert, key } = await readPair(await pki.agent('site-a'));
  credentials = { certificate: cert.toString(), key: key.toString(), ca: await readFile(pki.serverCaFile, 'utf8') };
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

async function startGateway(): Promise<FakeGateway> {
  return startFakeGateway({ ...(await readPair(pki.gateway)), ca: await readFile(pki.agentsCaFile) });
}

function dialOptions(port: number, signal: AbortSignal): DialOptions {
  return { gateway: { host: '127.0.0.1', port, serverName: 'localhost' }, credentials, instance: 'an-instance', known: [], timeoutMs: 5000, signal };
}

interface OneWay extends Disposable {
  readonly port: number;
  /** From now on nothing of the agent reaches the gateway. */
  holdUplink(): void;
}

async function startOneWay(to: number): Promise<OneWay> {
  const open: Socket[] = [];
  const listener = createServer((agent) => {
    const gateway = connect(to, '127.0.0.1');
    open.push(agent, gateway);
    for (const socket of [agent, gateway]) socket.on('error', () => undefined);
    agent.pipe(gateway);
    gateway.pipe(agent);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: portOf(listener),
    holdUplink: () => open[0]?.unpipe().pause(),
    [Symbol.dispose]: () => {
      listener.close();
      for (const socket of open) socket.destroy();
    },
  };
}

describe('keep-alive', () => {
  it('takes any byte for life, a frame that only ends a stream too, and gives up when they cease', async () => {
    await using gateway = await startGateway();
    using network = await startOneWay(gateway.port);
    const dialled = await dial(dialOptions(network.port, new AbortController().signal));
    if (!dialled.ok) throw new Error(dialled.error.message);
    const ended = Promise.withResolvers<string>();
    let scrapes = 0;
    startSession(dialled.value, {
      maxConcurrentStreams: 100,
      keepAlive: { intervalMs: 100, timeoutMs: 300 },
      clock: systemClock,
      onScrape: (stream) => {
        scrapes += 1;
        stream.on('error', () => undefined);
        if (scrapes === 30) network.holdUplink();
      },
      onControl: () => undefined,
      onMessage: () => undefined,
      onClose: (cause) => ended.resolve(cause),
    });
    const tunnel = await gateway.tunnel();
    const streams = Array.from({ length: 30 }, () => tunnel.open({}));
    for (const stream of streams) stream.on('error', () => undefined);
    // one RST_STREAM after the other, for three times as long as a silence may last
    for (const stream of streams) {
      stream.close(8);
      expect(await Promise.race([ended.promise, after(30, 'alive')])).toBe('alive');
    }
    expect(scrapes).toBe(30);
    expect(await ended.promise).toBe('keepalive');
  });
});

describe('a dial', () => {
  it('that is given up closes its connection at once', async () => {
    const closed = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<void>();
    const silent = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => closed.resolve());
      socket.resume();
      accepted.resolve();
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const abort = new AbortController();
    const dialled = dial(dialOptions(portOf(silent), abort.signal));
    await accepted.promise;
    abort.abort();
    expect(await dialled).toMatchObject({ ok: false, error: { cause: 'cancelled' } });
    await closed.promise;
    silent.close();
  });
});
