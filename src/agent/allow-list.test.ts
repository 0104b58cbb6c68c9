import { describe, expect, it } from '@jest/globals';
import type { AllowRule, TargetSpec } from '../model/agent-settings.js';
import { reachOf } from './allow-list.js';

function spec(host: string, port: number, discovered: boolean): TargetSpec {
  return {
    target: { name: 't', scheme: 'http', host, port, path: '/', labels: {} },
    allowedPaths: [],
    timeoutMs: undefined,
    maxBodyBytes: undefined,
    tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false },
    headers: {},
    discovered,
  };
}

const cidr = (network: string, ...ports: readonly [number, number][]): AllowRule => ({ match: { cidr: network }, ports: ports.map(([first, last]) => ({ first, last })) });
const host = (name: string, ...ports: readonly [number, number][]): AllowRule => ({ match: { host: name }, ports: ports.map(([first, last]) => ({ first, last })) });

/** Whether a discovered `target` that resolves to `address` is reached. */
function reaches(target: string, address: string, rules?: readonly AllowRule[], port = 9100): boolean {
  const { denied, isAddressAllowed } = reachOf(spec(target, port, true), rules);
  return !denied && isAddressAllowed(address);
}

const SPECIAL = ['127.0.0.1', '127.9.9.9', '::1', '0.0.0.0', '::', '169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200', '::ffff:127.0.0.1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe'];

describe('a discovered target', () => {
  it('without a list may be anywhere but at special addresses', () => {
    expect(reaches('web.example', '10.0.0.1')).toBe(true);
    expect(reaches('10.0.0.1', '10.0.0.1')).toBe(true);
    expect(reaches('web.example', '2001:db8::1')).toBe(true);
    for (const address of SPECIAL) expect([address, reaches('web.example', address), reaches(address, address)]).toEqual([address, false, false]);
  });

  it.each<[string, readonly AllowRule[], string, string, boolean]>([
    ['an empty list', [], 'web.example', '10.0.0.1', false],
    ['its network', [cidr('10.0.0.0/8')], 'web.example', '10.0.0.1', true],
    ['another network', [cidr('10.0.0.0/8')], 'web.example', '11.0.0.1', false],
    ['its network in the other family', [cidr('::/0')], 'web.example', '10.0.0.1', false],
    ['its network and port', [cidr('10.0.0.0/8', [1, 2], [9000, 9100])], '10.0.0.1', '10.0.0.1', true],
    ['its network, another port', [cidr('10.0.0.0/8', [9101, 9200])], '10.0.0.1', '10.0.0.1', false],
    ['its name', [host('web.example')], 'WEB.example', '10.0.0.1', true],
    ['its domain', [host('*.example')], 'a.b.example', '10.0.0.1', true],
    ['its domain, but for the name itself', [host('*.web.example')], 'web.example', '10.0.0.1', false],
    ['a name that ends alike', [host('*.example')], 'notexample', '10.0.0.1', false],
    ['an address by a name', [host('10.0.0.1')], '10.0.0.1', '10.0.0.1', false],
    ['its name that leads to loopback', [host('web.example')], 'web.example', '127.0.0.1', false],
    ['everything, for loopback', [cidr('0.0.0.0/0'), cidr('::/0')], 'web.example', '127.0.0.1', false],
    ['a range around metadata', [cidr('169.0.0.0/8')], '169.254.169.254', '169.254.169.254', false],
    ['loopback by itself', [cidr('127.0.0.0/8')], 'web.example', '127.0.0.1', true],
    ['one loopback address', [cidr('127.0.0.1/32')], '127.0.0.1', '127.0.0.1', true],
    ['another loopback address', [cidr('127.0.0.1/32')], '127.0.0.2', '127.0.0.2', false],
    ['loopback on another port', [cidr('127.0.0.1/32', [80, 80])], '127.0.0.1', '127.0.0.1', false],
    ['the metadata address by itself', [cidr('169.254.169.254/32')], 'metadata.example', '169.254.169.254', true],
    ['a mapped address by its network', [cidr('127.0.0.1/32')], 'web.example', '::ffff:127.0.0.1', true],
    ['something that is no address', [cidr('0.0.0.0/0')], 'web.example', 'nonsense', false],
  ])('with a list that has %s', (_, rules, target, address, expected) => {
    expect(reaches(target, address, rules)).toBe(expected);
  });
});

describe('a static target', () => {
  it('counts as listed, but its name may not lead to link-local or metadata addresses', () => {
    const { denied, isAddressAllowed } = reachOf(spec('localhost', 1, false), []);
    expect([denied, isAddressAllowed('127.0.0.1'), isAddressAllowed('169.254.169.254')]).toEqual([false, true, false]);
    expect(reachOf(spec('169.254.169.254', 1, false), []).denied).toBe(false);
  });
});
