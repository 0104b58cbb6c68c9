import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { portOf } from '../../test/support/ports.js';
import { silentLogger } from '../lib/logger.js';
import { framed } from '../remoteread/frames.js';
import { STREAMED_CONTENT_TYPE } from '../remoteread/request.js';
import { unpack } from '../remotewrite/snappy.js';
import { Source } from './source.js';

/** What a source is asked, and what becomes of its answer; what real ones answer: test/integration/export.test.ts. */

const PROMETHEUS = { version: '3.15.0', revision: 'abc', goVersion: 'go1.26' };
const MIMIR = { application: 'Grafana Mimir', ...PROMETHEUS };
/** The end of all times, which only a Prometheus is asked for. */
const LAST_MS = Buffer.from('20ffffffffffffffff7f', 'hex');

let asked: string[] = [];
let buildInfo: { readonly status: number; readonly data?: unknown } = { status: 200, data: PROMETHEUS };
let answer: Buffer = Buffer.alloc(0);
const server = createServer(async (request, response) => {
  const body = await buffer(request);
  if (request.url === '/api/v1/read') {
    const question = await unpack(body, 10_000);
    asked.push(question.ok && question.value.includes(LAST_MS) ? 'uncut' : 'cut');
    response.writeHead(200, { 'content-type': STREAMED_CONTENT_TYPE }).end(answer);
  } else {
    asked.push('build');
    response.writeHead(buildInfo.status).end(JSON.stringify({ data: buildInfo.data }));
  }
});
let url: string;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${portOf(server)}`;
});
beforeEach(() => {
  asked = [];
  buildInfo = { status: 200, data: PROMETHEUS };
  answer = Buffer.alloc(0);
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

const sourceOf = (): Source & AsyncDisposable => {
  const source = new Source({ name: 'main', url, timeoutMs: 5000 }, silentLogger);
  return Object.assign(source, { [Symbol.asyncDispose]: () => source.close() });
};

async function read(source: Source, uncut = true): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const frames of source.read([[{ name: 'job', op: '=', value: 'app' }]], { startMs: 10_000_000, endMs: 20_000_000, uncut }, AbortSignal.timeout(5000))) {
    while (frames.next()) found.push(frames.frame.toString());
  }
  return found;
}

describe('chunks are asked for as they are stored', () => {
  it.each([
    ['of a Prometheus, which says once that it is one', { status: 200, data: PROMETHEUS }, ['build', 'uncut', 'uncut']],
    ['not of a Mimir, which would read all of that time', { status: 200, data: MIMIR }, ['build', 'cut', 'cut']],
    ['not of one that does not say what it is', { status: 404 }, ['build', 'cut', 'cut']],
    ['not of one that cannot say it now, and is asked again', { status: 503 }, ['build', 'cut', 'build', 'cut']],
  ])('%s', async (_, info, expected) => {
    buildInfo = info;
    await using source = sourceOf();
    await read(source);
    await read(source);
    expect(asked).toEqual(expected);
  });

  it('only where the reader wants it', async () => {
    await using source = sourceOf();
    await read(source, false);
    expect(asked).toEqual(['cut']);
  });

  it('again only when one that has failed has said again what it is', async () => {
    await using source = sourceOf();
    await read(source);
    answer = Buffer.alloc(9, 0xff);
    await expect(read(source)).rejects.toMatchObject({ reason: 'source_broken' });
    answer = Buffer.alloc(0);
    buildInfo = { status: 200, data: MIMIR };
    await read(source);
    expect(asked).toEqual(['build', 'uncut', 'uncut', 'build', 'cut']);
  });
});

describe('an answer', () => {
  const frames = ['one', 'two', 'x'.repeat(100_000)];

  it('is given frame by frame', async () => {
    answer = Buffer.concat(frames.map((text) => framed(Buffer.from(text))));
    await using source = sourceOf();
    expect(await read(source)).toEqual(frames);
  });

  it('that ends in the middle of a frame is broken', async () => {
    answer = Buffer.concat(frames.map((text) => framed(Buffer.from(text)))).subarray(0, -1);
    await using source = sourceOf();
    await expect(read(source)).rejects.toMatchObject({ reason: 'source_broken' });
  });
});
