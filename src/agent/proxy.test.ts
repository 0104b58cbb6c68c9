import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePort, portOf } from '../../test/support/ports.js';
import { connectThroughProxy } from './proxy.js';

/** What the agent says of a proxy that answers `answer`; undefined = nothing at all. `sent` is what the proxy got. */
async function ask(answer: string | undefined, { authorization, timeoutMs = 5000 }: { readonly authorization?: string; readonly timeoutMs?: number } = {}): Promise<{ readonly result: string; readonly sent: string }> {
  let sent = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (chunk) => {
      sent += chunk.toString('latin1');
      if (answer === '') socket.destroy();
      else if (answer !== undefined) socket.write(answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  const connected = await connectThroughProxy({ host: '127.0.0.1', port, tls: undefined, authorization }, { host: '::1', port: 8443 }, AbortSignal.timeout(timeoutMs));
  if (connected.ok) connected.value.destroy();
  server.close();
  return { result: connected.ok ? 'connected' : connected.error.replace(`127.0.0.1:${port}`, 'P'), sent };
}

describe('a proxy', () => {
  it('is asked for the gateway, with credentials only where there are some', async () => {
    expect(await ask('HTTP/1.1 200 OK\r\nX: y\r\n\r\n')).toEqual({ result: 'connected', sent: 'CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n' });
    expect((await ask('HTTP/1.0 200 OK\r\n\r\n', { authorization: 'Basic x' })).sent).toContain('\r\nProxy-Authorization: Basic x\r\n');
  });

  it.each([
    ['HTTP/1.1 407 No\r\n\r\n', 'the proxy P wants credentials, or others than it got (407)'],
    ['HTTP/1.1 403 No\r\n\r\n', 'the proxy P does not let us through to [::1]:8443 (403)'],
    ['HTTP/1.1 502 No\r\n\r\n', 'the proxy P does not reach [::1]:8443 (502)'],
    ['HTTP/1.1 302 No\r\n\r\n', 'the proxy P refused [::1]:8443 (302)'],
    ['SSH-2.0-x\r\n\r\n', 'the proxy P does not speak HTTP'],
    ['x'.repeat(20_000), 'the proxy P does not speak HTTP'],
    ['HTTP/1.1 200 OK\r\n\r\nmore', 'the proxy P sent more than an answer'],
    ['', 'the proxy P closed the connection'],
  ])('that says %j is named in the fault', async (answer, message) => {
    expect((await ask(answer)).result).toBe(message);
  });

  it('that says nothing is given up in time', async () => {
    expect((await ask(undefined, { timeoutMs: 50 })).result).toBe('no answer from the proxy P in time');
  });

  it('that is not there is named', async () => {
    const port = await freePort();
    const connected = await connectThroughProxy({ host: '127.0.0.1', port, tls: undefined, authorization: undefined }, { host: 'g', port: 1 }, AbortSignal.timeout(5000));
    expect(connected).toEqual({ ok: false, error: `the proxy 127.0.0.1:${port} cannot be used: ECONNREFUSED` });
  });
});
