import { describe, expect, it } from '@jest/globals';
import { blamed, quotedFields } from './blame.js';
import { differences } from './difference.js';

describe('what Envoy complains of', () => {
  it.each([
    ["malformed IP address: no-address. Consider setting resolver_name", ['address.socket_address.address']],
    [
      'Proto constraint validation failed (RouteConfigurationValidationError.VirtualHosts[0]: embedded message failed validation | caused by VirtualHostValidationError.Domains: value must contain at least 1 item(s)): name: "x"',
      ['virtual_hosts[0].domains'],
    ],
    ["Didn't find a registered implementation for 'envoy.filters.http.no'", ['filters[0]["odd key"]']],
    ['something else altogether', []],
    ['no-address-at-all and xno-address', []],
  ])('%s', (words, paths) => {
    const resource = { name: 'malformed', address: { socket_address: { address: 'no-address', port_value: 1 } }, filters: [{ 'odd key': 'envoy.filters.http.no' }] };
    expect(blamed(words, resource, 'x')).toEqual(paths);
  });

  it('the longest value that is quoted comes first, short ones and names are left out', () => {
    expect(quotedFields('bad /a/long/path in file', { a: 'file', b: '/a/long/path', c: 'bad', name: 'file' }, 'whole')).toEqual(['b', 'a']);
  });
});

describe('differences', () => {
  it.each([
    [{ a: 1, b: [{ c: 'x' }, 2] }, { a: 1, b: [{ c: 'y' }, 2] }, [{ path: 'b[0].c', before: 'x', after: 'y' }]],
    [{ a: 1, gone: [] }, { new: true, a: 1 }, [{ path: 'new', before: undefined, after: true }, { path: 'gone', before: [], after: undefined }]],
    [{ a: [1] }, { a: { 0: 1 } }, [{ path: 'a', before: [1], after: { 0: 1 } }]],
    [{ 'x.y/z': 1 }, { 'x.y/z': 2 }, [{ path: '["x.y/z"]', before: 1, after: 2 }]],
    [undefined, { a: 1 }, [{ path: '', before: undefined, after: { a: 1 } }]],
    [{ a: [1, 2] }, { a: [1, 2] }, []],
  ])('%j → %j', (before, after, found) => {
    expect(differences(before, after)).toEqual(found);
  });
});
