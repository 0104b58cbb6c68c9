import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { pack, unpack } from '../../../src/remotewrite/snappy.js';
import { REMOTE_READ_HEADERS } from '../../../src/remoteread/request.js';
import { fetchRaw } from '../../support/http.js';
import type { HttpAnswer, HttpRequest } from '../../support/http.js';
import { exchangeRaw } from '../../support/raw-tls.js';
import { HTTP2 } from './http2.js';
import type { Http2Attack } from './http2.js';
import { MESSAGES } from './messages.js';
import { createOracle } from './oracle.js';
import type { Oracle } from './oracle.js';
import { REQUESTS } from './requests.js';
import { basic, CANARY, expectUnharmed, setStage, TENANTS, title } from './stage.js';
import type { Stage } from './stage.js';
import { WIRE } from './wire.js';

/** However a request is written, nothing of another's is in the answer, and nothing has reached the backend that is not held to the tenant's label. */

let stage: Stage;
let oracle: Oracle;

beforeAll(async () => {
  stage = await setStage();
  oracle = createOracle(stage.shared.url);
}, 90_000);
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

async function send(tenant: string, path: string, more: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  return fetchRaw({ ...stage.world.request(undefined, '/'), target: `/query/main${path}`, ...more, headers: { authorization: basic(tenant), ...more.headers } });
}

/** All that a client gets to see of an answer. */
async function visible({ status, statusMessage, rawHeaders, headers, body, trailers }: HttpAnswer): Promise<string> {
  const unpacked = headers['content-encoding'] === 'snappy' ? await unpack(body, 1e8) : undefined;
  return [status, statusMessage, ...rawHeaders, JSON.stringify(trailers), body.toString('latin1'), unpacked?.ok === true ? unpacked.value.toString('latin1') : ''].join('\n');
}

async function expectNothingForeign(answer: string): Promise<void> {
  expect(answer).not.toMatch(CANARY);
  expect(await oracle.faults(stage.takeSeen())).toEqual([]);
}

describe.each(REQUESTS)('requests: $family', ({ attacks }) => {
  it.each(attacks.map((attack) => ({ ...attack, title: title(attack.title) })))('$title', async ({ method, path, headers, body }) => {
    const tenant = TENANTS[path.length % TENANTS.length] ?? 'label';
    const more = { ...(method !== undefined && { method }), ...(headers !== undefined && { headers }), ...(body !== undefined && { body }) };
    let answer: string;
    try {
      answer = await visible(await send(tenant, path, { ...more, timeoutMs: 10_000 }));
    } catch (error) {
      // Node refuses to write it, or Envoy ends the connection: no answer at all.
      answer = String(error);
      expect(answer).not.toMatch(/Timeout/);
    }
    await expectNothingForeign(answer);
  });
});

describe('bytes', () => {
  it.each(WIRE.map((bytes) => ({ bytes, title: title(bytes) })))('$title', async ({ bytes }) => {
    const { tls } = stage.world.request(undefined, '/');
    const written = bytes.replaceAll('AUTH', `Authorization: ${basic('label')}\r\n`);
    // A connection that is cut is no answer either.
    await expectNothingForeign(await exchangeRaw({ host: '127.0.0.1', port: stage.world.gateway.ports.scrape, ...tls }, written, 400).catch(String));
  });
});

describe('by HTTP/2', () => {
  let session: ClientHttp2Session;
  beforeAll(() => {
    const { tls } = stage.world.request(undefined, '/');
    session = connect(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { ...tls });
    session.on('error', () => undefined);
  });
  afterAll(() => session.destroy());

  /** A stream that is reset has no answer but its error; some of these Node itself does not send. */
  async function exchange({ headers, body }: Http2Attack): Promise<string> {
    try {
      const stream = session.request({ ':method': 'GET', ':authority': 'localhost', authorization: basic('label'), ...headers }, { endStream: body === undefined });
      if (body !== undefined) stream.end(body);
      let seen = '';
      stream.on('response', (head) => (seen += JSON.stringify(head)));
      stream.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')));
      stream.setTimeout(5000, () => stream.close());
      const failure = await new Promise<string>((resolve) => stream.on('error', (error: Error) => resolve(error.message)).on('close', () => resolve('')));
      return seen + failure;
    } catch (error) {
      return String(error);
    }
  }

  it.each(HTTP2)('$title', async (attack) => {
    const { tls } = stage.world.request(undefined, '/');
    if (session.destroyed || session.closed) {
      session = connect(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { ...tls });
      session.on('error', () => undefined);
    }
    await expectNothingForeign(await exchange(attack));
  });
});

describe('remote reads', () => {
  async function read(tenant: string, body: Buffer): Promise<HttpAnswer> {
    return send(tenant, '/api/v1/read', { method: 'POST', headers: { ...REMOTE_READ_HEADERS, 'content-length': `${body.length}` }, body });
  }

  it.each(MESSAGES)('$title', async ({ message }) => {
    for (const tenant of TENANTS) await expectNothingForeign(await visible(await read(tenant, await pack(message))));
  });

  it.each([
    ['packed as something that it is not', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])],
    ['that would be gigabytes', Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x80, 0x08]), Buffer.alloc(100)])],
    ['that is longer than it says', Buffer.from([0x01, 0x08, 0x61, 0x62, 0x63])],
    ['that is not packed', Buffer.from('0a040a020801', 'hex')],
    ['that is nothing', Buffer.alloc(0)],
  ])('one %s', async (_title, body) => {
    const answer = await read('label', body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    await expectNothingForeign(await visible(answer));
  });
});

it('after all that, the server has lost nothing, and its own owner sees what is hers', async () => {
  await expectUnharmed(stage);
});
