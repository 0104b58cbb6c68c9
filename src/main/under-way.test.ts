import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { fetchRaw } from '../../test/support/http.js';
import { manualClock } from '../../test/support/manual-clock.js';
import { portOf } from '../../test/support/ports.js';
import { credentialId } from '../model/credential-id.js';
import type { Credential, DesiredState } from '../model/desired-state.js';
import { UnderWay } from './under-way.js';

const KEY: Credential = { kind: 'bearer', sha256: 'ab'.repeat(32) };
const RULE: Credential = { kind: 'jwt', issuer: 'okta', claims: [{ path: ['sub'], anyOf: ['grafana'] }] };

function stateWith(credentials: readonly Credential[], serials: readonly string[] = []): DesiredState {
  return desiredState({ tenants: [{ name: 'team-a', credentials }], revoked: { serials } });
}

/** A request of team-a's that nobody has answered yet. */
async function pending(headers: Readonly<Record<string, string>>): Promise<AsyncDisposable & { readonly request: IncomingMessage; readonly response: ServerResponse; readonly end: () => Promise<void> }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const answer = fetchRaw({ url: `http://127.0.0.1:${portOf(server)}/`, headers: { 'x-scrapeway-tenant': 'team-a', ...headers } }).catch(() => undefined);
  const [request, response]: [IncomingMessage, ServerResponse] = await new Promise((resolve) => server.once('request', (...both) => resolve(both)));
  const end = async (): Promise<void> => {
    const closed = once(response, 'close');
    response.end();
    await answer;
    await closed;
  };
  return {
    request,
    response,
    end,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await answer;
    },
  };
}

describe('what is under way', () => {
  const clock = manualClock();
  const START_MS = 1_000_000;
  const made = (): UnderWay => {
    const underWay = new UnderWay(clock, () => START_MS + clock.nowMs());
    underWay.setState(stateWith([KEY, RULE]));
    return underWay;
  };
  const byKey = { 'x-scrapeway-credential': credentialId(KEY) };

  it.each<[name: string, headers: Readonly<Record<string, string>>, next: DesiredState, ends: boolean]>([
    ['goes on while its credential is there', byKey, stateWith([KEY]), false],
    ['ends with its credential', byKey, stateWith([RULE]), true],
    ['ends with its tenant', byKey, desiredState({}), true],
    ['ends with the serial of its certificate', { ...byKey, 'x-scrapeway-peer-serial': '001F' }, stateWith([KEY], ['1f']), true],
  ])('%s, at once', async (_name, headers, next, ends) => {
    await using one = await pending(headers);
    const underWay = made();
    const ended = underWay.begin(one.request, one.response);
    expect(ended.aborted).toBe(false);
    underWay.setState(next);
    expect(ended.aborted).toBe(ends);
  });

  it.each<[name: string, headers: (nowMs: number) => Readonly<Record<string, string>>, credential: (nowMs: number) => Credential]>([
    ['that a token says itself', (nowMs) => ({ 'x-scrapeway-credential': credentialId(RULE), 'x-scrapeway-until': String(nowMs + 5000) }), () => RULE],
    ['that the configuration gives its credential', () => byKey, (nowMs) => ({ ...KEY, expiresMs: nowMs + 5000 })],
  ])('ends a second after the end %s', async (_name, headers, credential) => {
    const underWay = made();
    const nowMs = START_MS + clock.nowMs();
    underWay.setState(stateWith([credential(nowMs)]));
    await using one = await pending(headers(nowMs));
    const ended = underWay.begin(one.request, one.response);
    clock.advance(4900);
    expect(ended.aborted).toBe(false);
    clock.advance(1100);
    expect(ended.aborted).toBe(true);
  });

  it('was let in by a thread that knows more: it has a second for the news', async () => {
    await using one = await pending({ 'x-scrapeway-credential': 'bearer:of-tomorrow' });
    const ended = made().begin(one.request, one.response);
    clock.advance(900);
    expect(ended.aborted).toBe(false);
    clock.advance(2000);
    expect(ended.aborted).toBe(true);
  });

  it('is not what is answered', async () => {
    await using one = await pending(byKey);
    const underWay = made();
    const ended = underWay.begin(one.request, one.response);
    await one.end();
    underWay.setState(desiredState({}));
    expect(ended.aborted).toBe(false);
  });
});
