import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { readFileSync } from 'node:fs';
import { portOf } from './ports.js';

/**
 * The process behind connect-proxy.ts: one JSON argument with what it wants; a line for its port, and one for each CONNECT.
 */
const options: { readonly credentials?: string; readonly cert?: string; readonly key?: string } = JSON.parse(process.argv[2] ?? '{}');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function onConnect({ url = '', headers }: IncomingMessage, client: Socket): void {
  client.on('error', () => undefined);
  const wanted = options.credentials === undefined ? undefined : `Basic ${Buffer.from(options.credentials).toString('base64')}`;
  if (headers['proxy-authorization'] !== wanted) {
    say(`refused ${url}`);
    client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const { hostname, port } = new URL(`http://${url}`);
  const upstream = connect({ host: hostname, port: Number(port) }, () => {
    say(`connected ${url}`);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    client.pipe(upstream).pipe(client);
  });
  upstream.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
  client.on('close', () => upstream.destroy());
  upstream.on('close', () => client.destroy());
}

const server = options.cert !== undefined && options.key !== undefined ? createTlsServer({ cert: readFileSync(options.cert), key: readFileSync(options.key) }) : createServer();
server.on('connect', onConnect);
server.listen(0, '127.0.0.1', () => say(`listening ${portOf(server)}`));
process.on('SIGTERM', () => process.exit(0));
