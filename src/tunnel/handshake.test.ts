import { describe, expect, it } from '@jest/globals';
import { readUpgrade, upgradeAnswer, upgradeRequest } from './handshake.js';

const headers = { upgrade: 'scrapeway-tunnel', 'tunnel-version': '1', 'tunnel-instance': '0b8f1f0e-1111', 'x-scrapeway-agent': 'site-a' };

describe('the tunnel handshake', () => {
  it('reads the agent from the stamped header and the instance from the agent', () => {
    expect(readUpgrade(headers)).toEqual({ agent: 'site-a', home: 'site-a', instance: '0b8f1f0e-1111' });
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
    expect(upgradeAnswer('gw-1')).toMatch(/^HTTP\/1\.1 101 .*\r\nx-scrapeway-gateway: gw-1\r\n\r\n$/s);
  });
});
