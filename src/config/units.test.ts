import { describe, expect, it } from '@jest/globals';
import { isHost, parseHostPort, parseSize } from './units.js';

describe('a size', () => {
  it.each([
    ['1B', 1],
    ['512KiB', 524_288],
    ['64MiB', 67_108_864],
    ['1GiB', 1_073_741_824],
  ])('%s has %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '1', '1KB', '1.5MiB', '-1B', 'GiB', '9999999999999GiB'])('"%s" is none', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('an address with a port', () => {
  it.each([
    ['127.0.0.1:9443', '127.0.0.1', 9443],
    ['[::1]:443', '::1', 443],
    ['gateway.example:0', 'gateway.example', 0],
    ['my_host:65535', 'my_host', 65_535],
  ])('%s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each(['', 'host', ':443', 'host:', 'host:65536', '::1:443', '[127.0.0.1]:1', '[::g]:1', '1.2.3:80', '300.1.1.1:80', '-a:80', 'a..b:80', 'a/b:80', 'a b:80'])('"%s" is none', (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });
});

describe('a host', () => {
  it.each(['a', 'gateway.example', '10.0.0.1', 'x_y-z'])('%s', (text) => {
    expect(isHost(text)).toBe(true);
  });

  it.each(['', '10.0.0', '10.0.0.256', 'a.', '.a', '*.a', '::1', 'a..b', 'ä', 'x'.repeat(254)])('"%s" is none', (text) => {
    expect(isHost(text)).toBe(false);
  });
});
