import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fail, optionsFromParent, tell } from './parent.js';

/** A target, a program: each request is answered with the same bytes, whatever it asks for, as cheaply as it can be done in Node. */

export interface TargetOptions {
  readonly port: number;
  readonly bodyFile: string;
}

export interface TargetMessage {
  readonly type: 'listening';
}

const { port, bodyFile } = optionsFromParent<TargetOptions>();
const body = readFileSync(bodyFile);
const head = ['HTTP/1.1 200 OK', 'content-type: text/plain; version=0.0.4; charset=utf-8', 'content-encoding: gzip', `content-length: ${body.length}`, '\r\n'].join('\r\n');
const answer = Buffer.concat([Buffer.from(head, 'latin1'), body]);

const server = createServer((socket) => {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    const heads = (rest + chunk.toString('latin1')).split('\r\n\r\n');
    rest = heads.pop() ?? '';
    for (let asked = 0; asked < heads.length; asked += 1) socket.write(answer);
  });
  // A client that goes away is no fault of ours.
  socket.on('error', () => socket.destroy());
});

async function run(): Promise<void> {
  server.listen({ host: '127.0.0.1', port, backlog: 4096 });
  await once(server, 'listening');
  await tell<TargetMessage>({ type: 'listening' });
}

await run().catch(fail);
