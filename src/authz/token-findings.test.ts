import { create, toBinary } from '@bufbuild/protobuf';
import type { JsonObject } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { MetadataSchema } from '../gen/envoy/config/core/v3/base_pb.js';
import { CheckRequestSchema } from '../gen/envoy/service/auth/v3/external_auth_pb.js';
import { readFindings } from './token-findings.js';
import { readQuestion } from './wire.js';

const NAMESPACE = 'envoy.filters.http.jwt_authn';

function metadata(filterMetadata: Record<string, JsonObject>): Buffer {
  return Buffer.from(toBinary(MetadataSchema, create(MetadataSchema, { filterMetadata })));
}

describe('what Envoy found out about a token', () => {
  it('is the payload, lists and nested objects whole', () => {
    const payload = { iss: 'https://idp', aud: ['x', 'y'], exp: 1_790_000_000, realm_access: { roles: ['r'] } };
    const found = readFindings(metadata({ [NAMESPACE]: { jwt: payload, 'failed:other': { code: 11, message: 'Jwt issuer is not configured' } } }));
    expect(found?.payload).toEqual(new Map<string, unknown>([['iss', 'https://idp'], ['aud', ['x', 'y']], ['exp', 1_790_000_000], ['realm_access', new Map([['roles', ['r']]])]]));
    expect(found?.failures).toEqual(new Map([['other', { code: 11, message: 'Jwt issuer is not configured' }]]));
  });

  it.each<[string, Record<string, JsonObject>]>([
    ['nothing', {}],
    ['what other filters found', { 'envoy.filters.http.other': { jwt: { sub: 'x' } } }],
    ['a payload that is no object', { [NAMESPACE]: { jwt: 'x', 'failed:a': 'x' } }],
    ['a payload under another name', { [NAMESPACE]: { JWT: { sub: 'x' }, payload: { sub: 'x' } } }],
  ])('is nothing where the metadata hold %s', (_name, filterMetadata) => {
    expect(readFindings(metadata(filterMetadata))).toEqual({ payload: undefined, failures: new Map() });
  });

  it('comes with the question', () => {
    const request = create(CheckRequestSchema, { attributes: { metadataContext: { filterMetadata: { [NAMESPACE]: { jwt: { sub: 'x' } } } } } });
    const question = readQuestion(Buffer.from(toBinary(CheckRequestSchema, request)));
    expect(question.ok && question.value.token?.payload).toEqual(new Map([['sub', 'x']]));
  });

  it('that cannot be read makes the whole question none', () => {
    expect(readFindings(Buffer.from([0x0a, 0x02, 0x12, 0x05]))).toBeUndefined();
    // attributes (1) with a metadata_context (11) that holds a broken entry
    expect(readQuestion(Buffer.from([0x0a, 0x06, 0x5a, 0x04, 0x0a, 0x02, 0x12, 0x05])).ok).toBe(false);
  });
});
