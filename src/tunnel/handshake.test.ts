import { describe, expect, it } from '@jest/globals';
import { readUpgrade, upgradeAnswer, upgradeRequest } from './handshake.js';

const headers = { upgrade: 'scrapeway-tunnel', 'tunnel-version': '1', 'tunnel-instance': '0b8f1f0e-1111', 'x-scrapeway-agent': 'site-a' };

describe('the tunnel handshake', () => {
  it('reads the agent from the stamped header and the instance from the agent', () => {
    expect(readUpgrade(headers)).toEqual({ agent: 'site-a', home: 'site-a', instance: '0b8f1f0e-1111', known: [] });
  });

  it.each<[string, string | string[] | undefined, string[]]>([
    ['one id', 'gw-1', ['gw-1']],
    ['several, with blanks', 'gw-1, gw.2', ['gw-1', 'gw.2']],
    ['what is no id is left out', 'gw-1,,a b,x\u0000', ['gw-1']],
    ['the header twice is nothing', ['gw-1', 'gw-2'], []],
    ['more ids than anybody has are cut', Array.from({ length: 99 }, (_, i) => `g${i}`).join(','), Array.from({ length: 64 }, (_, i) => `g${i}`)],
  ])('reads which gateways the agent has a tunnel to: %s', (_, value, known) => {
    expect(readUpgrade({ ...headers, 'tunnel-known': value })?.known).toEqual(known);
  });

  it.each([
    ['no stamped agent', { 'x-scrapeway-agent': undefined }],
    ['two stamped agents', { 'x-scrapeway-agent': ['a', 'b'] }],
    ['another protocol', { upgrade: 'websocket' }],
    ['another version', { 'tunnel-version': '2' }],
    ['no version', { 'tunnel-version': undefined }],
    ['no instance', { 'tunnel-instance': undefined }],
    ['an instance with a line break', { 'tunnel-instance': 'abcdefgh\r\nx' }],
  ])('refuses %s', (_, change) => {
    expect(readUpgrade({ ...headers, ...change })).toBeUndefined();
  });

  it('is plain HTTP/1.1 on the wire', () => {
    expect(upgradeRequest('gw:8443', 'abcdefgh')).toBe(
      'GET /tunnel HTTP/1.1\r\nHost: gw:8443\r\nConnection: Upgrade\r\nUpgrade: scrapeway-tunnel\r\ntunnel-version: 1\r\ntunnel-instance: abcdefgh\r\n\r\n',
    );
    expect(upgradeRequest('gw:8443', 'abcdefgh', ['gw-1', 'gw-2'])).toContain('\r\ntunnel-known: gw-1,gw-2\r\n\r\n');
    expect(upgradeAnswer({ id: 'gw-1', all: ['gw-1', 'gw-2'] })).toContain('\r\nx-scrapeway-gateway: gw-1\r\nx-scrapeway-gateways: gw-1,gw-2\r\n\r\n');
    expect(upgradeAnswer({ id: 'gw-1' })).toMatch(/^HTTP\/1\.1 101 .*\r\nx-scrapeway-gateway: gw-1\r\n\r\n$/s);
  });
});
