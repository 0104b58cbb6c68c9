import { describe, expect, it } from '@jest/globals';
import { ownersOf } from '../credentials/san.js';
import type { SanKey } from '../credentials/san.js';
import { readClientCertificate } from './client-certificate.js';

const owners: ReadonlyMap<SanKey, ReadonlySet<string>> = new Map<SanKey, ReadonlySet<string>>([
  ['uri:spiffe://x/team-a', new Set(['team-a'])],
  ['uri:spiffe://x/team-b', new Set(['team-b'])],
  ['dns:team-a.example', new Set(['team-a'])],
  ['dns:team-b.example', new Set(['team-b'])],
  ['dns:shared.example', new Set(['team-a', 'team-b'])],
]);

/** The owners, or the error. The texts are those that Envoy 1.40 made of real certificates. */
function whose(xfcc: string, principal: string): readonly string[] | string {
  const read = readClientCertificate(xfcc, principal);
  return read.ok ? [...ownersOf(read.value, owners)] : read.error;
}

const HASH = 'Hash=59121892e360f09802f20285076140281305aa90524db0ee9d26ecbe74c1e256';

describe('a client certificate belongs to', () => {
  it.each([
    ['one URI', `${HASH};Subject="CN=a";URI=spiffe://x/team-a`, 'spiffe://x/team-a', ['team-a']],
    ['a URI and a DNS name of nobody', `${HASH};Subject="CN=a";URI=spiffe://x/team-a;DNS=host.example`, 'spiffe://x/team-a', ['team-a']],
    ['a URI of nobody and a DNS name', `${HASH};Subject="CN=a";URI=spiffe://x/host;DNS=team-a.example`, 'spiffe://x/host', ['team-a']],
    ['one DNS name', `${HASH};Subject="CN=a";URI=;DNS=team-a.example`, 'team-a.example', ['team-a']],
    ['a DNS name in other case', `${HASH};Subject="CN=a";URI=;DNS=Team-A.Example`, 'Team-A.Example', ['team-a']],
    ['the first of several DNS names', `${HASH};Subject="CN=a";URI=;DNS=team-a.example;DNS=host.example`, 'team-a.example', ['team-a']],
    ['a gateway with a URI of its own (By)', `By=spiffe://x/gw;${HASH};Subject="CN=a";URI=spiffe://x/team-a`, 'spiffe://x/team-a', ['team-a']],
    ['a subject with separators and quotes', `${HASH};Subject="O=x\\\\,CN=a\\";URI=spiffe://x/team-b\\,\\;b";URI=spiffe://x/team-a`, 'spiffe://x/team-a', ['team-a']],
  ])('its tenant: %s', (_, xfcc, principal, expected) => {
    expect(whose(xfcc, principal)).toEqual(expected);
  });

  it.each([
    ['two tenants by two URIs', `${HASH};Subject="";URI=spiffe://x/team-a;URI=spiffe://x/team-b`, 'spiffe://x/team-a', ['team-a', 'team-b']],
    ['two tenants by URI and DNS name', `${HASH};Subject="";URI=spiffe://x/team-a;DNS=team-b.example`, 'spiffe://x/team-a', ['team-a', 'team-b']],
    ['two tenants by one name', `${HASH};Subject="";URI=;DNS=shared.example`, 'shared.example', ['team-a', 'team-b']],
  ])('both, which is for the caller to refuse: %s', (_, xfcc, principal, expected) => {
    expect(whose(xfcc, principal)).toEqual(expected);
  });

  it.each([
    ['no name', `${HASH};Subject="CN=team-a";URI=`, 'CN=team-a'],
    ['a name of nobody', `${HASH};Subject="CN=a";URI=spiffe://x/team-c`, 'spiffe://x/team-c'],
    ['a URI where a DNS name is expected', `${HASH};Subject="";URI=team-a.example`, 'team-a.example'],
    ['a DNS name where a URI is expected', `${HASH};Subject="";URI=;DNS=spiffe://x/team-a`, 'spiffe://x/team-a'],
    ['a subject that reads like a name', `${HASH};Subject="CN=\\";URI=spiffe://x/team-a";URI=`, 'CN=";URI=spiffe://x/team-a'],
  ])('nobody: %s', (_, xfcc, principal) => {
    expect(whose(xfcc, principal)).toEqual([]);
  });
});

describe('a name with a separator in it cannot pass for two names:', () => {
  it.each([
    ['in the only URI', `${HASH};Subject="";URI=spiffe://x/job;URI=spiffe://x/team-b`, 'spiffe://x/job;URI=spiffe://x/team-b', 'the first name is not whole'],
    ['in the only URI, as a DNS name', `${HASH};Subject="";URI=spiffe://x/job;DNS=team-b.example`, 'spiffe://x/job;DNS=team-b.example', 'the first name is not whole'],
    ['in the first DNS name', `${HASH};Subject="";URI=;DNS=host.example;DNS=team-b.example`, 'host.example;DNS=team-b.example', 'the first name is not whole'],
    ['in a DNS name, as a URI', `${HASH};Subject="";URI=;DNS=host.example;URI=spiffe://x/team-b`, 'host.example;URI=spiffe://x/team-b', 'a URI after a DNS name'],
    ['a comma', `${HASH};Subject="";URI=spiffe://x/a,URI=spiffe://x/team-b`, 'spiffe://x/a,URI=spiffe://x/team-b', 'not one well-formed element'],
    ['another key', `${HASH};Subject="";URI=spiffe://x/a;Email=b`, 'spiffe://x/a;Email=b', 'an unknown key'],
  ])('%s', (_, xfcc, principal, error) => {
    expect(whose(xfcc, principal)).toBe(error);
  });

  it.each([
    ['in the second URI', `${HASH};Subject="";URI=spiffe://x/one;URI=spiffe://x/two;URI=spiffe://x/team-b`, 'spiffe://x/one'],
    ['in the second URI, as the only DNS name', `${HASH};Subject="";URI=spiffe://x/one;URI=spiffe://x/two;DNS=team-b.example`, 'spiffe://x/one'],
    ['in a DNS name beside a URI', `${HASH};Subject="";URI=spiffe://x/one;DNS=host.example;DNS=team-b.example`, 'spiffe://x/one'],
    ['in the second DNS name', `${HASH};Subject="";URI=;DNS=host.example;DNS=two.example;DNS=team-b.example`, 'host.example'],
  ])('%s', (_, xfcc, principal) => {
    expect(whose(xfcc, principal)).toEqual([]);
  });
});

describe('what Envoy does not write', () => {
  it.each([
    ['', 'nothing'],
    ['spiffe://x/team-a', 'no key'],
    [`${HASH};`, 'an open end'],
    [`${HASH};;URI=spiffe://x/team-a`, 'an empty pair'],
    [`${HASH};URI=spiffe://x/team-a,${HASH};URI=spiffe://x/team-b`, 'two elements'],
    [`${HASH};Subject="CN=a;URI=spiffe://x/team-a`, 'an open quote'],
    [`${HASH};Subject="CN=a"b;URI=spiffe://x/team-a`, 'text after a quote'],
  ])('is an error: %j (%s)', (xfcc) => {
    expect(readClientCertificate(xfcc, 'spiffe://x/team-a').ok).toBe(false);
  });
});
