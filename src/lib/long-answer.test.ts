import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createRawServer } from 'node:net';
import type { Server } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { portOf } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { ask } from './long-answer.js';
import type { LongRequest } from './long-answer.js';

/** Long answers of real servers, over TCP and TLS. */

const stack = new AsyncDisposableStack();
const CONTENT = Buffer.alloc(3_000_000, 'a long answer, ');
let seen: { readonly url: string | undefined; readonly headers: Readonly<Record<string, unknown>>; readonly body: string } | undefined;

const answers: RequestListener = async (request, response) => {
  seen = { url: request.url, headers: request.headers, body: (await buffer(request)).toString() };
  switch (request.url) {
    case '/chunks':
      response.writeHead(200, { 'Content-Type': 'text/long' });
      for (let at = 0; at < CONTENT.length; at += 2048) response.write(CONTENT.subarray(at, at + 2048));
      return void response.end();
    case '/length':
      return void response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT);
    case '/broken':
      return void response.writeHead(200).write(CONTENT, () => response.destroy());
    case '/refused':
      return void response.writeHead(403).end('not you');
    default:
      // `/silent`: never
  }
};

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => void server.close());
  return portOf(server);
}

let ways: Readonly<Record<string, Pick<LongRequest, 'url' | 'caPem'>>>;
beforeAll(async () => {
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const [plain, tls] = [createServer(answers), createTlsServer(await readPair(pki.gateway), answers)];
  ways = {
    TCP: { url: new URL(`http://127.0.0.1:${await listening(plain)}`) },
    TLS: { url: new URL(`https://localhost:${await listening(tls)}`), caPem: await readFile(pki.serverCaFile, 'utf8') },
  };
  stack.defer(() => [plain, tls].forEach((server) => server.closeAllConnections()));
});
afterAll(() => stack.disposeAsync());

type Answered = Awaited<ReturnType<typeof ask>>;
const asked = (way: string, path: string, more: Partial<LongRequest> = {}): Promise<Answered> => {
  const { url = new URL('http://none'), caPem } = ways[way] ?? {};
  return ask({ url: new URL(path, url), caPem, headers: { 'X-Own': 'yes' }, body: Buffer.from('a question'), connectTimeoutMs: 5000, signal: AbortSignal.timeout(20_000), ...more });
};
async function whole({ pieces }: Answered): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

describe.each(['TCP', 'TLS'])('over %s', (way) => {
  it.each(['/chunks', '/length'])('an answer is whole: %s', async (path) => {
    const answer = await asked(way, path);
    expect((await whole(answer)).equals(CONTENT)).toBe(true);
    expect(answer.status).toBe(200);
  });

  it('the question arrives as it was asked, and the head of the answer can be read', async () => {
    const answer = await asked(way, '/chunks');
    expect(answer.headers.get('content-type')).toBe('text/long');
    answer.destroy();
    expect(seen).toMatchObject({ url: '/chunks', headers: { 'x-own': 'yes', host: ways[way]?.url.host }, body: 'a question' });
  });

  it('an answer that ends too early is none', async () => {
    await expect(whole(await asked(way, '/broken'))).rejects.toThrow();
  });

  it('a refusal is an answer', async () => {
    const answer = await asked(way, '/refused');
    expect([answer.status, (await whole(answer)).toString()]).toEqual([403, 'not you']);
  });

  it('who has waited enough is told so', async () => {
    await expect(asked(way, '/silent', { signal: AbortSignal.timeout(100) })).rejects.toThrow('abort');
  });
});

describe('a server', () => {
  it('that is not there is an error with its code', async () => {
    const server = createRawServer();
    const port = await listening(server);
    server.close();
    await once(server, 'close');
    await expect(asked('TCP', '/', { url: new URL(`http://127.0.0.1:${port}`) })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('whose certificate is of nobody known is not asked', async () => {
    await expect(asked('TLS', '/length', { caPem: undefined })).rejects.toMatchObject({ code: expect.stringMatching(/CERT|ISSUER|SIGN/) });
  });

  it.each([
    ['without a length ends with its connection', 'HTTP/1.1 200 OK\r\n\r\nall of it', 'all of it'],
    ['with a length has no more than that', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall of it', 'all'],
    ['in chunks that are none is no answer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nall of it', undefined],
    ['that is no HTTP is no answer', 'SSH-2.0-x\r\n\r\n', undefined],
    ['that ends within its head is no answer', 'HTTP/1.1 200 OK\r\n', undefined],
    ['whose head has no end is no answer', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`, undefined],
  ])('that answers %s', async (_, text, expected) => {
    const port = await listening(createRawServer((socket) => void socket.on('error', () => {}).end(text)));
    const content = asked('TCP', '/', { url: new URL(`http://127.0.0.1:${port}`) }).then(whole);
    if (expected === undefined) await expect(content).rejects.toThrow();
    else expect((await content).toString()).toBe(expected);
  });
});
