import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { ResponseReader } from './http1.js';
import { fail, optionsFromParent, tell } from './parent.js';

/**
 * PushProx's clients in one cheap process, a program. Each polls (POST /poll with its name; the answer's body is the scrape's request), pushes
 * (POST /push; the body is the whole response, tied to the request by its `Id`), and polls again. A real client pushes on a second connection; here
 * push and next poll share one and go out in one write, which spares the proxy work.
 */

export interface PushProxClientsOptions {
  readonly names: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly bodyFile: string;
}

export interface PushProxClientsMessage {
  readonly type: 'polling';
}

const options = optionsFromParent<PushProxClientsOptions>();
const body = readFileSync(options.bodyFile);

function post(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: proxy\r\nContent-Length: ${length}\r\n\r\n`;
}

function pushOf(id: string): Buffer {
  const head = [
    'HTTP/1.1 200 OK',
    'Content-Type: text/plain; version=0.0.4; charset=utf-8',
    'Content-Encoding: gzip',
    `Content-Length: ${body.length}`,
    `Id: ${id}`,
    'X-Prometheus-Scrape-Timeout: 9.9',
    '\r\n',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(post('/push', head.length + body.length) + head, 'latin1'), body]);
}

async function poll(name: string): Promise<void> {
  const socket = connect({ host: options.host, port: options.port, noDelay: true });
  await once(socket, 'connect');
  const reader = new ResponseReader();
  const pollRequest = Buffer.from(post('/poll', name.length) + name, 'latin1');
  socket.on('data', (chunk) => {
    for (const answer of reader.push(chunk)) {
      // An answer to /push is empty, one to /poll is a request.
      const id = /^id: *(\S+)/im.exec(answer.body.toString('latin1'))?.[1];
      if (id !== undefined) socket.write(Buffer.concat([pushOf(id), pollRequest]));
      else if (answer.status !== 200) void fail(`status ${answer.status}: ${answer.body.toString('utf8')}`);
    }
  });
  socket.on('error', () => {});
  socket.write(pollRequest);
}

async function run(): Promise<void> {
  await Promise.all(options.names.map(poll));
  await tell<PushProxClientsMessage>({ type: 'polling' });
}

await run().catch(fail);
