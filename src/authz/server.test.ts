import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { Registry } from 'prom-client';
import { desiredState, target } from '../../test/support/desired-state.js';
import { eventually } from '../../test/support/eventually.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { CheckRequestSchema, CheckResponseSchema } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import type { CheckResponse } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import { silentLogger } from '../lib/logger.js';
import type { PasswordChecker } from '../credentials/password.js';
import { CHECK_PATH, createAuthzServer } from './server.js';
import type { AuthzServer } from './server.js';

/** The service as a gRPC client sees it: grpc-js over the Unix socket, messages by the generated code. */

const STATE = desiredState({
  tenants: [{ name: 'team-a', credentials: [{ kind: 'basic', user: 'scraper', bcryptHash: '$2b$04$x' }] }],
  agents: [{ name: 'site-1', tenants: ['team-a'] }],
});

function question(path: string, password = 'secret'): Buffer {
  const headers = { authorization: `Basic ${Buffer.from(`scraper:${password}`).toString('base64')}` };
  const request = { http: { method: 'GET', host: 'gateway.example', path, headers } };
  return Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, { attributes: { request, contextExtensions: { door: 'path' } } })));
}

function questionWithCookie(bytes: number): Buffer {
  const request = { http: { method: 'GET', host: 'gateway.example', path: '/scrape/site-1/node', headers: { cookie: 'x'.repeat(bytes) } } };
  return Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, { attributes: { request, contextExtensions: { door: 'path' } } })));
}

/** 'allowed <path to fetch>', or the reason of the refusal. */
function inWords({ httpResponse, dynamicMetadata }: CheckResponse): string {
  if (httpResponse.case !== 'okResponse') return String(dynamicMetadata?.['reason']);
  return `allowed ${httpResponse.value.headers.find(({ header }) => header?.key === 'x-scrapeway-path')?.header?.value}`;
}

const bytesOf = (bytes: Buffer): Buffer => bytes;
const decode = (bytes: Buffer): CheckResponse => fromBinary(CheckResponseSchema, bytes);

interface Rig extends AsyncDisposable {
  readonly server: AuthzServer;
  readonly client: Client;
  readonly socketPath: string;
  check(message: Buffer, path?: string): Promise<string>;
  /** `check` whose call can be cancelled. */
  begin(message: Buffer, path?: string): { readonly call: ClientUnaryCall; readonly answer: Promise<string> };
  /** A call with any number of messages. */
  stream(messages: readonly Buffer[]): Promise<string>;
}

/** A call's end as a promise's. */
function settle(resolve: (answer: string) => void, reject: (error: ServiceError) => void) {
  return (error: ServiceError | null, response?: CheckResponse): void => {
    if (error !== null) reject(error);
    else resolve(response === undefined ? 'nothing' : inWords(response));
  };
}

async function startRig(passwords: PasswordChecker = { matches: (_, password) => (password === 'secret' ? 'right' : 'wrong') }): Promise<Rig> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  const socketPath = dir.join('authz.sock');
  const server = createAuthzServer({ socketPath, logger: silentLogger, registry: new Registry(), passwords });
  await server.start();
  stack.defer(() => server.close());
  server.setState(STATE);
  server.setRegistration('site-1', [target('node')]);
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  stack.defer(() => client.close());

  const begin: Rig['begin'] = (message, path = CHECK_PATH) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    return { call: client.makeUnaryRequest(path, bytesOf, decode, message, settle(resolve, reject)), answer: promise };
  };
  return {
    server,
    client,
    socketPath,
    begin,
    check: (message, path) => begin(message, path).answer,
    stream: (messages) =>
      new Promise((resolve, reject) => {
        const call = client.makeClientStreamRequest(CHECK_PATH, bytesOf, decode, settle(resolve, reject));
        for (const message of messages) call.write(message);
        call.end();
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Passwords whose answers the test gives. */
function heldPasswords(): PasswordChecker & { readonly asked: ((answer: 'right') => void)[] } {
  const asked: ((answer: 'right') => void)[] = [];
  return { asked, matches: (_, password) => (password === 'secret' ? 'right' : new Promise((resolve) => asked.push(resolve))) };
}

describe('a check', () => {
  it('is answered: allowed, denied, malformed', async () => {
    await using rig = await startRig();
    await expect(rig.check(question('/scrape/site-1/node/probe?a=b'))).resolves.toBe('allowed /probe?a=b');
    await expect(rig.check(question('/scrape/site-1/other'))).resolves.toBe('target_forbidden');
    await expect(rig.check(question('/scrape/site-1/node', 'guess'))).resolves.toBe('bad_credentials');
    await expect(rig.check(Buffer.from([0x0a, 0x05]))).resolves.toBe('malformed_request');
    rig.server.setRegistration('site-1', undefined);
    await expect(rig.check(question('/scrape/site-1/node'))).resolves.toBe('agent_away');
  });

  it('gets its own answer among 1,000 at a time, whether that took a while or not', async () => {
    const passwords = heldPasswords();
    await using rig = await startRig(passwords);
    const answers = Array.from({ length: 1000 }, (_, i) => rig.check(question(`/scrape/site-1/node/${i}`, i % 2 === 0 ? 'secret' : `slow-${i}`)));
    await eventually(() => expect(passwords.asked).toHaveLength(500));
    for (const answer of passwords.asked.toReversed()) answer('right');
    await expect(Promise.all(answers)).resolves.toEqual(Array.from({ length: 1000 }, (_, i) => `allowed /${i}`));
  });

  it('that its client cancels takes nothing with it', async () => {
    const passwords = heldPasswords();
    await using rig = await startRig(passwords);
    const { call, answer } = rig.begin(question('/scrape/site-1/node', 'slow'));
    await eventually(() => expect(passwords.asked).toHaveLength(1));
    call.cancel();
    await expect(answer).rejects.toMatchObject({ code: status.CANCELLED });
    await expect(rig.check(question('/scrape/site-1/node/a'))).resolves.toBe('allowed /a');
    passwords.asked[0]?.('right');
    await expect(rig.check(question('/scrape/site-1/node/b'))).resolves.toBe('allowed /b');
  });

  it('may have the 60 KiB of headers that Envoy lets pass, and not much more', async () => {
    await using rig = await startRig();
    await expect(rig.check(questionWithCookie(60 * 1024))).resolves.toBe('no_credentials');
    await expect(rig.check(questionWithCookie(64 * 1024))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    await expect(rig.check(questionWithCookie(4 * 1024 * 1024))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    await expect(rig.check(question('/scrape/site-1/node'))).resolves.toBe('allowed /metrics');
  });

  it('is one message to one method', async () => {
    await using rig = await startRig();
    const message = question('/scrape/site-1/node');
    await expect(rig.stream([message])).resolves.toBe('allowed /metrics');
    await expect(rig.stream([])).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    await expect(rig.stream([message, message])).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    await expect(rig.check(message, '/envoy.service.auth.v3.Authorization/Uncheck')).rejects.toMatchObject({ code: status.UNIMPLEMENTED, details: 'unknown method' });
  });
});

describe('the server', () => {
  it('replaces a socket that was left behind', async () => {
    await using dir = await createTempDir();
    const killed = createServer().listen(dir.join('before.sock'));
    await once(killed, 'listening');
    // Closing takes the file away by its name: under another one it stays, as after a SIGKILL.
    await rename(dir.join('before.sock'), dir.join('authz.sock'));
    killed.close();
    await once(killed, 'close');
    const server = createAuthzServer({ socketPath: dir.join('authz.sock'), logger: silentLogger, registry: new Registry() });
    await expect(server.start()).resolves.toBeUndefined();
    await server.close();
  });

  it('has a socket for this user alone, and takes it away in the end', async () => {
    await using rig = await startRig();
    expect((await stat(rig.socketPath)).mode & 0o777).toBe(0o600);
    await rig.server.close();
    await expect(stat(rig.socketPath)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('does not take the socket from one that lives', async () => {
    await using rig = await startRig();
    const second = createAuthzServer({ socketPath: rig.socketPath, logger: silentLogger, registry: new Registry() });
    await expect(second.start()).rejects.toThrow('another process listens on this socket');
    await second.close();
    await expect(rig.check(question('/scrape/site-1/node'))).resolves.toBe('allowed /metrics');
  });

  it('closes at once, whatever is pending', async () => {
    const passwords = heldPasswords();
    await using rig = await startRig(passwords);
    const answers = Array.from({ length: 10 }, (_, i) => rig.check(question('/scrape/site-1/node', `slow-${i}`)));
    const codes = Promise.all(answers.map((answer) => answer.catch((error: ServiceError) => error.code)));
    await eventually(() => expect(passwords.asked).toHaveLength(10));
    await rig.server.close();
    await expect(codes).resolves.toEqual(Array.from({ length: 10 }, () => status.UNAVAILABLE));
    for (const answer of passwords.asked) answer('right');
    await rig.server.close();
  });

  it('may be closed before it has started', async () => {
    await using dir = await createTempDir();
    const server = createAuthzServer({ socketPath: dir.join('authz.sock'), logger: silentLogger, registry: new Registry() });
    await expect(server.close()).resolves.toBeUndefined();
  });
});
