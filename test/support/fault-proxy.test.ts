import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { eventually } from './eventually.js';
import { startFaultProxy } from './fault-proxy.js';
import type { FaultProxy } from './fault-proxy.js';
import { portOf } from './ports.js';

describe('the fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  let client: Socket;
  let peer: Socket;
  let received = '';
  const ends: string[] = [];

  function watch(name: string, socket: Socket): void {
    socket.on('error', () => ends.push(`${name} reset`));
    socket.on('end', () => ends.push(`${name} end`));
  }

  beforeEach(async () => {
    received = '';
    ends.length = 0;
    server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await startFaultProxy({ port: portOf(server) });
    const connection: Promise<Socket[]> = once(server, 'connection');
    client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    const [accepted] = await connection;
    if (accepted === undefined) throw new Error('no connection');
    peer = accepted;
    peer.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    client.resume();
    watch('client', client);
    watch('server', peer);
  });
  afterEach(async () => {
    client.destroy();
    peer.destroy();
    server.close();
    await proxy.close();
  });

  it('passes bytes and ends on, and forgets closed connections', async () => {
    client.end('hello');
    await eventually(() => expect(received).toBe('hello'));
    peer.end();
    await eventually(() => expect(ends.toSorted()).toEqual(['client end', 'server end']));
    await eventually(() => expect(proxy.connectionCount()).toBe(0));
  });

  it('drops silently: neither end learns anything, until it resumes', async () => {
    proxy.silence();
    client.end('hello');
    // what the silent connection would have passed on has gone through another one meanwhile
    const other = await startFaultProxy({ port: portOf(server) });
    const otherClient = connect({ port: other.port, host: '127.0.0.1' });
    await once(server, 'connection');
    otherClient.destroy();
    await other.close();
    expect([received, ends]).toEqual(['', []]);
    proxy.resume();
    await eventually(() => expect([received, ends]).toEqual(['hello', ['server end']]));
  });

  it('takes new connections while silent, and says nothing on them', async () => {
    proxy.silence();
    const late = connect({ port: proxy.port, host: '127.0.0.1' });
    await once(late, 'connect');
    await eventually(() => expect(proxy.connectionCount()).toBe(2));
    late.destroy();
  });

  it('resets both ends', async () => {
    proxy.cut();
    await eventually(() => expect(ends.toSorted()).toEqual(['client reset', 'server reset']));
  });

  it('resets the server only', async () => {
    proxy.halfOpen();
    await eventually(() => expect(ends).toEqual(['server reset']));
    expect(client.destroyed).toBe(false);
  });

  it('delays', async () => {
    proxy.delay(50);
    const startedAt = performance.now();
    client.write('hello');
    await eventually(() => expect(received).toBe('hello'), { intervalMs: 5 });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(49);
  });
});
