import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer } from 'node:net';
import { pino } from 'pino';
import { createTempDir } from '../../test/support/temp-dir.js';
import { TRUSTED_LIMITS } from './limits.js';
import { SocketIo } from './socket-io.js';
import { MAX_UNARY_MESSAGE_BYTES, serveUnary } from './unary.js';
import type { UnaryMethod } from './unary.js';

/** What a client sees that sends all kinds of bodies; node:http2 is the client. */

const PATH = '/test.Echo/Call';

interface Rig extends AsyncDisposable {
  readonly session: http2.ClientHttp2Session;
  readonly log: readonly string[];
}

async function startRig(method: UnaryMethod): Promise<Rig> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  const log: string[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    serveUnary(new SocketIo(socket), {
      methods: new Map([[PATH, method]]),
      connection: {
        settings: { maxConcurrentStreams: 100, initialWindowBytes: 65_535, maxHeaderListBytes: 16_384, headerTableBytes: 4096 },
        connectionWindowBytes: 1024 * 1024,
        limits: TRUSTED_LIMITS,
        nowMs: () => performance.now(),
      },
      logger: pino({}, { write: (line) => log.push(line) }),
      onClosed: () => {},
    });
  });
  server.listen(dir.join('s'));
  await once(server, 'listening');
  stack.defer(() => void server.close());
  const session = http2.connect('http://localhost', { createConnection: () => connect(dir.join('s')) });
  stack.defer(() => session.destroy());
  return { session, log, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** One message behind its prefix. */
function framed(message: Uint8Array | string, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, Buffer.from(message)]);
}

interface Answer {
  readonly status: number | undefined;
  readonly grpcStatus: string | undefined;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: http2.IncomingHttpHeaders;
}

/** A gRPC call, unless `headers` say otherwise. Each part of the body is written on its own, the end with the last. */
function open(session: http2.ClientHttp2Session, parts: readonly Buffer[], headers: http2.OutgoingHttpHeaders = {}): http2.ClientHttp2Stream {
  const request = session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers', ...headers }, { endStream: parts.length === 0 });
  parts.forEach((part, index) => (index === parts.length - 1 ? request.end(part) : request.write(part)));
  return request;
}

async function answerTo(request: http2.ClientHttp2Stream): Promise<Answer> {
  let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  let trailers: http2.IncomingHttpHeaders = {};
  let body = '';
  request.on('response', (received) => (headers = received));
  request.on('trailers', (received) => (trailers = received));
  request.setEncoding('latin1').on('data', (text: string) => (body += text));
  await once(request, 'close');
  const grpcStatus = trailers['grpc-status'] ?? headers['grpc-status'];
  return { status: headers[':status'], grpcStatus: grpcStatus?.toString(), headers, body, trailers };
}

function call(session: http2.ClientHttp2Session, parts: readonly Buffer[], headers: http2.OutgoingHttpHeaders = {}): Promise<Answer> {
  return answerTo(open(session, parts, headers));
}

/** Copies, since the message is not the method's to keep. */
const echo: UnaryMethod = (message) => Buffer.from(`<${message.toString('latin1')}>`, 'latin1');

describe('a call with one message', () => {
  it('is answered with one message and OK', async () => {
    await using rig = await startRig(echo);
    const answer = await call(rig.session, [framed('hello')]);
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/grpc' }, trailers: { 'grpc-status': '0' } });
    expect(answer.body).toBe(framed('<hello>').toString('latin1'));
  });

  it('may be answered later', async () => {
    await using rig = await startRig(async (message) => {
      const copy = echo(message);
      await new Promise((resolve) => setImmediate(resolve));
      return copy;
    });
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => call(rig.session, [framed(text)])));
    expect(answers.map(({ body }) => body)).toEqual(['<a>', '<b>', '<c>'].map((text) => framed(text).toString('latin1')));
  });

  it('may be empty, and so may its answer', async () => {
    await using rig = await startRig((message) => Buffer.from(message));
    expect(await call(rig.session, [framed('')])).toMatchObject({ grpcStatus: '0', body: '\0\0\0\0\0' });
  });

  it('may come in parts, cut anywhere, the end on its own or as trailers', async () => {
    await using rig = await startRig(echo);
    const message = framed('hello');
    const expected = framed('<hello>').toString('latin1');
    for (let cut = 1; cut <= message.length; cut += 1) {
      expect(await call(rig.session, [message.subarray(0, cut), message.subarray(cut)])).toMatchObject({ grpcStatus: '0', body: expected });
    }
    const bytes = [...message].map((byte) => Buffer.from([byte]));
    expect((await call(rig.session, bytes)).body).toBe(expected);
    const request = rig.session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    request.on('wantTrailers', () => request.sendTrailers({ 'x-checksum': '1' }));
    request.end(message);
    expect((await answerTo(request)).body).toBe(expected);
  });

  it('may be as large as allowed, and its answer larger', async () => {
    await using rig = await startRig((message) => Buffer.concat([message, message, message]));
    const message = 'x'.repeat(MAX_UNARY_MESSAGE_BYTES);
    const answer = await call(rig.session, [framed(message)]);
    expect(answer.grpcStatus).toBe('0');
    expect(answer.body === framed(message.repeat(3)).toString('latin1')).toBe(true);
  });

  it.each(['application/grpc+proto', 'application/grpc;charset=utf-8'])('may be of type %s', async (type) => {
    await using rig = await startRig(echo);
    expect((await call(rig.session, [framed('a')], { 'content-type': type })).grpcStatus).toBe('0');
  });
});

describe('a call that is refused', () => {
  it.each<readonly [string, readonly Buffer[], http2.OutgoingHttpHeaders, object]>([
    ['for an unknown method', [framed('a')], { ':path': '/test.Echo/Other' }, { status: 200, grpcStatus: '12' }],
    ['for having no message', [], {}, { status: 200, grpcStatus: '12' }],
    ['for having no message, with an empty body', [Buffer.alloc(0)], {}, { status: 200, grpcStatus: '12' }],
    ['for having two messages', [framed('a'), framed('b')], {}, { status: 200, grpcStatus: '12' }],
    ['for having two messages in a frame', [Buffer.concat([framed('a'), framed('b')])], {}, { status: 200, grpcStatus: '12' }],
    ['for being compressed', [framed('a', { flag: 1 })], { 'grpc-encoding': 'gzip' }, { grpcStatus: '12', headers: { 'grpc-accept-encoding': 'identity' } }],
    ['for a cut prefix', [framed('').subarray(0, 4)], {}, { status: 200, grpcStatus: '13' }],
    ['for a cut message', [framed('abc', { length: 4 })], {}, { status: 200, grpcStatus: '13' }],
    ['for a message that is too large', [framed('x'.repeat(MAX_UNARY_MESSAGE_BYTES + 1))], {}, { status: 200, grpcStatus: '8' }],
    ['for a message that says that it is too large', [framed('x', { length: 2 ** 32 - 1 })], {}, { status: 200, grpcStatus: '8' }],
    ['for its method', [framed('a')], { ':method': 'PUT' }, { status: 405, headers: { allow: 'POST' } }],
    ['for its method, HEAD', [], { ':method': 'HEAD' }, { status: 405, body: '' }],
    ['for its type', [framed('a')], { 'content-type': 'application/json' }, { status: 415 }],
    ['for its type, which is almost right', [framed('a')], { 'content-type': 'application/grpc-web' }, { status: 415 }],
    ['for having no type', [framed('a')], { 'content-type': undefined }, { status: 415 }],
  ])('%s', async (_, parts, headers, expected) => {
    let calls = 0;
    await using rig = await startRig((message) => {
      calls += 1;
      return echo(message);
    });
    expect(await call(rig.session, parts, headers)).toMatchObject(expected);
    expect(calls).toBe(0);
    // The connection is none the worse for it.
    expect((await call(rig.session, [framed('a')])).grpcStatus).toBe('0');
  });

  it('is not listened to for ever', async () => {
    await using rig = await startRig(echo);
    const request = rig.session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc' });
    // It never ends: without a reset, the stream would not close.
    request.write(Buffer.alloc(1_000_000));
    expect((await answerTo(request)).grpcStatus).toBe('8');
    expect(request.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
  });
});

describe('a method that fails', () => {
  it.each<readonly [string, UnaryMethod]>([
    ['throws', () => { throw new Error('secret cause'); }],
    ['rejects', () => Promise.reject(new Error('secret cause'))],
  ])('because it %s makes the call fail, and is logged', async (_, method) => {
    await using rig = await startRig(method);
    const answer = await call(rig.session, [framed('a')]);
    expect(answer).toMatchObject({ status: 200, grpcStatus: '13' });
    expect(JSON.stringify(answer)).not.toContain('secret');
    expect(rig.log).toHaveLength(1);
    expect(rig.log[0]).toContain('secret cause');
    expect(rig.log[0]).toContain(PATH);
  });
});

describe('a call that its client gives up', () => {
  it('gets no answer, and others do', async () => {
    const waiting: ((answer: Buffer) => void)[] = [];
    await using rig = await startRig((message) => (message.toString() === 'wait' ? new Promise((resolve) => waiting.push(resolve)) : echo(message)));
    const given = open(rig.session, [framed('wait')]);
    const kept = open(rig.session, [framed('wait')]);
    const answer = answerTo(kept);
    await call(rig.session, [framed('after them')]);
    expect(waiting).toHaveLength(2);
    given.close(http2.constants.NGHTTP2_CANCEL);
    await once(given, 'close');
    // The reset has arrived when a later call has been answered.
    await call(rig.session, [framed('after it')]);
    for (const resolve of waiting) resolve(Buffer.from('late'));
    expect((await answer).body).toBe(framed('late').toString('latin1'));
    expect((await call(rig.session, [framed('b')])).grpcStatus).toBe('0');
  });
});
