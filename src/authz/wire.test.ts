import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { HeaderValueOption_HeaderAppendAction } from '../gen/envoy/config/core/v3/base_pb.js';
import { CheckRequestSchema, CheckResponseSchema } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import type { CheckRequest, CheckResponse } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import { REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { DOORS } from './question.js';
import type { Decision, Question } from './question.js';
import { readQuestion, writeDecision } from './wire.js';

function encode(request: MessageInitShape<typeof CheckRequestSchema>): Buffer {
  return Buffer.from(toBinary(CheckRequestSchema, create(CheckRequestSchema, request)));
}

function read(bytes: Buffer): Question | string {
  const result = readQuestion(bytes);
  return result.ok ? { ...result.value } : result.error;
}

/** Of metadata in which no token is. What is in others: token-findings.test.ts. */
const NOTHING_FOUND = { payload: undefined, failures: new Map() };

/** What a question must be, said by the generated message: an independent reading of the same bytes. */
function expected({ attributes }: CheckRequest): Question {
  const http = attributes?.request?.http;
  const header = (name: string): string | undefined => http?.headers[name];
  const door = attributes?.contextExtensions['door'];
  return {
    door: DOORS.find((known) => known === door) ?? 'none',
    method: http?.method ?? '',
    path: http?.path ?? '',
    host: http?.host ?? '',
    principal: attributes?.source?.principal ?? '',
    authorization: header('authorization'),
    proxyAuthorization: header('proxy-authorization'),
    clientCertificate: header('x-forwarded-client-cert'),
    scrapeTimeout: header('x-prometheus-scrape-timeout-seconds'),
    upgrade: header('upgrade'),
    assertedTenant: header('x-tenant-namespace'),
    peerIssuer: header('x-scrapeway-peer-issuer'),
    peerSerial: header('x-scrapeway-peer-serial')?.toLowerCase().replace(/^0+/, ''),
    token: attributes?.metadataContext === undefined ? undefined : NOTHING_FOUND,
  };
}

/** As Envoy fills one: most of it is nothing to us. */
const FULL: MessageInitShape<typeof CheckRequestSchema> = {
  attributes: {
    source: {
      address: { address: { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 50_000 } } } },
      principal: 'spiffe://x/team-a',
      certificate: 'PEM',
    },
    destination: { address: { address: { case: 'pipe', value: { path: '@x' } } }, principal: 'not this one' },
    request: {
      time: { seconds: 1_700_000_000n, nanos: 5 },
      http: {
        id: '12345678901234567890',
        method: 'GET',
        path: '/scrape/site-1/node?a=ä',
        host: 'gateway.example:9443',
        scheme: 'https',
        size: -1n,
        protocol: 'HTTP/1.1',
        headers: {
          ':path': '/other',
          ':authority': 'other',
          authorization: 'Basic eDp5',
          'proxy-authorization': 'Bearer t',
          'x-forwarded-client-cert': 'Hash=1;Subject="CN=ä";URI=spiffe://x/team-a',
          'x-prometheus-scrape-timeout-seconds': '10',
          upgrade: '',
          'x-request-id': 'x',
        },
      },
    },
    contextExtensions: { other: 'agent', door: 'path' },
    metadataContext: { filterMetadata: { 'envoy.filters.http.jwt_authn': { a: { b: [1, true, null, 'x'] } } } },
    tlsSession: { sni: 'gateway.example' },
  },
};

describe('a CheckRequest', () => {
  it('is read field by field', () => {
    expect(read(encode(FULL))).toEqual({
      door: 'path',
      method: 'GET',
      path: '/scrape/site-1/node?a=ä',
      host: 'gateway.example:9443',
      principal: 'spiffe://x/team-a',
      authorization: 'Basic eDp5',
      proxyAuthorization: 'Bearer t',
      clientCertificate: 'Hash=1;Subject="CN=ä";URI=spiffe://x/team-a',
      scrapeTimeout: '10',
      upgrade: '',
      token: NOTHING_FOUND,
    });
  });

  it('may be empty: a question with nothing in it, for the door where everything is refused', () => {
    expect(read(Buffer.alloc(0))).toEqual(expected(create(CheckRequestSchema)));
  });

  it.each(DOORS)('tells the door %s', (door) => {
    expect(read(encode({ attributes: { contextExtensions: { door } } }))).toMatchObject({ door });
  });

  it.each(['', 'Path', 'constructor', '__proto__'])('of an unknown door %j is one for the door none', (door) => {
    expect(read(encode({ attributes: { contextExtensions: { door } } }))).toMatchObject({ door: 'none' });
  });

  it('that comes in two parts is merged, the last string winning, as protobuf says', () => {
    const parts = [
      encode({ attributes: { request: { http: { method: 'POST', path: '/one', headers: { upgrade: 'a' } } } } }),
      encode({ attributes: { request: { http: { method: 'GET', headers: { upgrade: 'b' } } }, contextExtensions: { door: 'sd' } } }),
    ];
    expect(read(Buffer.concat(parts))).toMatchObject({ method: 'GET', path: '/one', upgrade: 'b', door: 'sd' });
  });

  it('with map entries in any order, or in part, is read as protobuf says', () => {
    const header = (...entry: string[]): string => field(0x0a, field(0x22, field(0x12, field(0x1a, entry.join('')))));
    expect(read(Buffer.from(header(field(0x12, 'a'), field(0x0a, 'upgrade')), 'latin1'))).toMatchObject({ upgrade: 'a' });
    expect(read(Buffer.from(header(field(0x0a, 'upgrade')), 'latin1'))).toMatchObject({ upgrade: '' });
    expect(read(Buffer.from(header(field(0x12, 'a')), 'latin1'))).toMatchObject({ upgrade: undefined });
  });
});

/** A header as Envoy sets it. */
function option(key: string, value: string): object {
  return { header: { key, value }, appendAction: OVERWRITE };
}

/** A length-delimited field: tag, length, content, one byte per character. */
function field(tag: number, content: string): string {
  return String.fromCharCode(tag, content.length) + content;
}

describe('bytes that are no CheckRequest', () => {
  it.each([
    ['a cut tag', [0x80]],
    ['a tag without content', [0x0a]],
    ['a length over the end', [0x0a, 0x05, 0x00]],
    ['a length over the end of the enclosing message', [0x0a, 0x02, 0x22, 0x04, 0x12, 0x00, 0x00, 0x00]],
    ['a length of 2^63', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ['a number of 11 bytes', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a cut 64-bit number', [0x09, 0x00]],
    ['a cut 32-bit number', [0x0d, 0x00]],
    ['field 0', [0x02, 0x00]],
    ['a group', [0x0b, 0x0c]],
    ['a wire type that does not exist', [0x0f]],
  ])('are an error: %s', (_, content) => {
    expect(read(Buffer.from(content))).toBe('not a CheckRequest');
  });

  it('are an error wherever a message is cut, unless what is left is one', () => {
    const whole = encode(FULL);
    const readable = Array.from({ length: whole.length }, (_, length) => read(whole.subarray(0, length))).filter((question) => typeof question !== 'string');
    // nothing at all is an empty message; the message's one field is otherwise cut
    expect(readable).toHaveLength(1);
  });
});

describe('reading', () => {
  it('agrees with the generated code on any CheckRequest, unknown fields and pieces in any order included', () => {
    const random = seeded(20_260_731);
    for (let round = 0; round < 3000; round += 1) {
      const message = Buffer.concat(Array.from({ length: 1 + pick(random, 3) }, () => (pick(random, 4) === 0 ? unknownField(random) : encode(randomRequest(random)))));
      expect(read(message)).toEqual(expected(fromBinary(CheckRequestSchema, message)));
    }
  });

  it('gives a question or an error, whatever the bytes', () => {
    const random = seeded(4711);
    const whole = encode(FULL);
    const outcomes = { question: 0, error: 0 };
    for (let round = 0; round < 20_000; round += 1) outcomes[readQuestion(damage(whole, random)).ok ? 'question' : 'error'] += 1;
    // both must occur, or the damage is none or total
    expect(outcomes.question).toBeGreaterThan(1000);
    expect(outcomes.error).toBeGreaterThan(1000);
  });
});

function pick(random: () => number, below: number): number {
  return Math.floor(random() * below);
}

function randomText(random: () => number): string {
  return ['', 'GET', '/scrape/a/b?c=d', 'h,i', 'ä€😀', 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(20_000)][pick(random, 8)] ?? '';
}

function randomRequest(random: () => number): MessageInitShape<typeof CheckRequestSchema> {
  const names = ['authorization', 'proxy-authorization', 'x-forwarded-client-cert', 'x-prometheus-scrape-timeout-seconds', 'upgrade', 'Upgrade', ':path', '', 'cookie'];
  const some = <T>(value: T): T | undefined => (pick(random, 2) === 0 ? undefined : value);
  const headers = Object.fromEntries(names.filter(() => pick(random, 2) === 0).map((name) => [name, randomText(random)]));
  const http = { id: randomText(random), method: randomText(random), path: randomText(random), host: randomText(random), size: BigInt(-pick(random, 1000)), headers };
  const source = { principal: randomText(random), certificate: randomText(random), labels: { door: 'path' } };
  const door = [...DOORS, 'other', ''][pick(random, 8)] ?? '';
  return {
    attributes: {
      ...(some(source) && { source }),
      destination: { principal: randomText(random) },
      ...(some(http) && { request: { http, time: { seconds: BigInt(pick(random, 2 ** 31)) } } }),
      contextExtensions: { [some('x') ?? 'door']: door },
      tlsSession: { sni: randomText(random) },
    },
  };
}

/** One of each wire type, with field numbers from 200 to far up. */
function unknownField(random: () => number): Buffer {
  const fields = ['c80c01', 'c80cffffffffffffffffff01', 'c90c0102030405060708', 'ca0c03616263', 'ca0c00', 'cd0c01020304', 'faffffff0f0161'];
  return Buffer.from(fields[pick(random, fields.length)] ?? '', 'hex');
}

/** One to three changes: a byte altered, some bytes cut out, a message of the same kind in the middle. */
function damage(message: Buffer, random: () => number): Buffer {
  let damaged = Buffer.from(message);
  for (let changes = 1 + pick(random, 3); changes > 0; changes -= 1) {
    const at = pick(random, damaged.length);
    const kind = pick(random, 3);
    if (kind === 0) damaged[at] = pick(random, 256);
    else if (kind === 1) damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + 1 + pick(random, 4))]);
    else damaged = Buffer.concat([damaged.subarray(0, at), message.subarray(0, pick(random, 64)), damaged.subarray(at)]);
  }
  return damaged;
}

/** mulberry32: the same numbers in each run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function decode(decision: Decision): CheckResponse {
  return fromBinary(CheckResponseSchema, writeDecision(decision));
}

const OVERWRITE = HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD;

describe('a CheckResponse that allows', () => {
  const long = `/${'x'.repeat(16_000)}`;
  const response = decode({
    allow: true,
    stamp: { 'x-scrapeway-tenant': 'team-a', 'x-scrapeway-path': long },
    remove: ['authorization', 'x-forwarded-client-cert'],
    audit: { door: 'path', tenant: 'team-a', agent: 'site-1', target: 'node', rule: 'tenants/team-a/scrape[0]' },
  });

  it('is what the generated code encodes', () => {
    const reference = create(CheckResponseSchema, {
      status: { code: 0 },
      httpResponse: {
        case: 'okResponse',
        value: {
          headers: [option('x-scrapeway-tenant', 'team-a'), option('x-scrapeway-path', long)],
          headersToRemove: ['authorization', 'x-forwarded-client-cert'],
        },
      },
      dynamicMetadata: { door: 'path', tenant: 'team-a', agent: 'site-1', target: 'node', rule: 'tenants/team-a/scrape[0]', decision: 'allow' },
    });
    expect(toJson(CheckResponseSchema, response)).toEqual(toJson(CheckResponseSchema, reference));
  });
});

describe('a CheckResponse that refuses', () => {
  it.each(Object.keys(REASONS) as Reason[])('for %s has its status, reason and line', (reason) => {
    const response = decode({ allow: false, reason, audit: { door: 'proxy', tenant: 'team-a' } });
    const denied = response.httpResponse;
    if (denied.case !== 'deniedResponse') throw new Error(`a ${denied.case}`);
    const headers = Object.fromEntries(denied.value.headers.map(({ header }) => [header?.key, header?.value]));
    expect(response.status?.code).toBe(7);
    expect(denied.value.status?.code).toBe(REASONS[reason].status);
    expect(denied.value.body).toBe(`scrapeway: ${REASONS[reason].text}\n`);
    expect(headers).toMatchObject({ 'x-scrapeway-reason': reason, 'content-type': 'text/plain; charset=utf-8' });
    expect(headers['www-authenticate'] !== undefined).toBe(REASONS[reason].status === 401);
    expect(headers['proxy-authenticate'] !== undefined).toBe(REASONS[reason].status === 407);
    expect(headers['allow']).toBe(REASONS[reason].status === 405 ? 'GET, HEAD' : undefined);
    expect(response.dynamicMetadata).toEqual({ door: 'proxy', tenant: 'team-a', decision: 'deny', reason });
  });

  it('is the same to the byte for the client whatever was asked for', () => {
    const parts = [{ agent: 'site-1', target: 'node' }, { agent: 'nowhere' }, { rule: 'ambiguous address' }, {}];
    const toClient = parts.map((audit) => {
      const { httpResponse } = decode({ allow: false, reason: 'target_forbidden', audit: { door: 'path', ...audit } });
      return Buffer.from(toBinary(CheckResponseSchema, create(CheckResponseSchema, { httpResponse }))).toString('hex');
    });
    expect(new Set(toClient).size).toBe(1);
  });
});
