import { createServer as createHttpServer } from 'node:http';
import http2 from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AGENT_HEADER, upgradeAnswer } from '../src/tunnel/handshake.js';
import type { RelayMessage, RelayOptions } from './hub-process.js';
import { optionsFromParent, tell } from './parent.js';

/**
 * What one would write first, a program: the hub's job by `node:http2` alone. A server towards Envoy, a client session on each agent's tunnel,
 * and streams piped from one to the other. It checks nothing and limits nothing.
 */

const { hubSocketPath, tunnelSocketPath } = optionsFromParent<RelayOptions>();
const sessions = new Map<string, ClientHttp2Session>();

const tunnels = createHttpServer();
tunnels.on('upgrade', (request, socket: Duplex) => {
  const agent = String(request.headers[AGENT_HEADER]);
  socket.write(upgradeAnswer({ id: 'naive' }));
  const session = http2.connect('http://tunnel', { createConnection: () => socket });
  session.on('error', () => {});
  sessions.set(agent, session);
});

async function relay(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const session = sessions.get(String(headers[AGENT_HEADER]));
  if (session === undefined) {
    stream.respond({ ':status': 503 }, { endStream: true });
    return;
  }
  const request = session.request({ ...headers }, { endStream: true });
  request.on('response', (response) => stream.respond({ ...response }));
  await pipeline(request, stream);
}

const scrapes = http2.createServer();
scrapes.on('stream', (stream, headers) => {
  relay(stream, headers).catch(() => stream.destroy());
});

await Promise.all([
  new Promise<void>((resolve) => {
    tunnels.listen(tunnelSocketPath, resolve);
  }),
  new Promise<void>((resolve) => {
    scrapes.listen(hubSocketPath, resolve);
  }),
]);
await tell<RelayMessage>({ type: 'listening' });
