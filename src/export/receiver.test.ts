import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createReceiver, transportTo } from './receiver.js';
import { portOf } from '../../test/support/ports.js';
import type { ExportDestination } from '../model/desired-state.js';

/** A receiver that issues tokens itself, and can revoke them. */
let issued = 0;
let valid = 0;
const seen: (string | undefined)[] = [];
const server = createServer((request, response) => {
  if (request.url === '/token') {
    issued += 1;
    valid = issued;
    response.end(JSON.stringify({ access_token: `token-${issued}`, expires_in: 3600 }));
    return;
  }
  seen.push(request.headers.authorization);
  response.writeHead(request.headers.authorization === `Bearer token-${valid}` ? 204 : 401).end();
});
let base: string;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${portOf(server)}`;
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

const destination = (): ExportDestination => ({
  name: 'out', kind: 'remote_write', urls: [base], version: '2', headers: {}, oauth2: { tokenUrl: `${base}/token`, clientId: 'me', clientSecret: 'hush', scopes: [], parameters: {} },
  caPem: undefined, client: undefined, proxy: undefined, timeoutMs: 5000, tenantLabel: undefined,
});

describe('a token', () => {
  it('is used while it lives; one that is refused before its time gives way to another, once; a new one that is refused stands', async () => {
    let nowMs = 0;
    const receiver = createReceiver(destination(), `${base}/write`, undefined, () => nowMs);
    const post = transportTo(receiver);
    const status = async () => (await post({}, Buffer.from('x'), AbortSignal.timeout(5000))).status;
    expect([await status(), await status(), issued]).toEqual([204, 204, 1]);
    valid = -1;
    nowMs = 9000;
    expect([await status(), issued]).toEqual([401, 1]);
    nowMs = 11_000;
    expect([await status(), issued]).toEqual([204, 2]);
    expect(seen).toEqual(['token-1', 'token-1', 'token-1', 'token-1', 'token-2'].map((token) => `Bearer ${token}`));
    nowMs += 3600 * 900 + 1;
    expect([await status(), issued]).toEqual([204, 3]);
    await receiver.close();
  });
});
