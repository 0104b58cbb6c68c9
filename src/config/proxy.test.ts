import { describe, expect, it } from '@jest/globals';
import { readEnvironment } from './env.js';
import { parseProxyUrl } from './proxy-url.js';
import { isExempt } from './proxy.js';

describe("a proxy's URL", () => {
  it.each<[string, unknown]>([
    ['http://proxy.example:3128', { host: 'proxy.example', port: 3128, tls: undefined, authorization: undefined }],
    ['proxy.example:3128', { host: 'proxy.example', port: 3128 }],
    ['http://proxy.example', { port: 80 }],
    ['https://[::1]', { host: '::1', port: 443, tls: { caPem: undefined } }],
    ['http://us%40er:p%3Aw@proxy.example:3128', { authorization: `Basic ${Buffer.from('us@er:p:w').toString('base64')}` }],
  ])('%s is understood', (text, expected) => {
    expect(parseProxyUrl(text)).toMatchObject(expected ?? {});
  });

  it.each(['', 'socks5://proxy:1080', 'http://', 'http://proxy/path', 'http://proxy?x=1', 'http://proxy:99999'])('%j is not one', (text) => {
    expect(parseProxyUrl(text)).toBeUndefined();
  });
});

describe('NO_PROXY', () => {
  it.each<[string, string, boolean]>([
    ['*', 'gateway.example:8443', true],
    ['gateway.example', 'gateway.example:8443', true],
    ['GATEWAY.example', 'gateway.EXAMPLE:8443', true],
    ['example', 'gateway.example:8443', true],
    ['.example', 'gateway.example:8443', true],
    ['*.example', 'gateway.example:8443', true],
    ['.gateway.example', 'gateway.example:8443', false],
    ['ample', 'gateway.example:8443', false],
    ['gateway.example:8443', 'gateway.example:8443', true],
    ['gateway.example:443', 'gateway.example:8443', false],
    ['.example:8443', 'gateway.example:8443', true],
    ['10.0.0.1', '10.0.0.1:8443', true],
    ['10.0.0.1:443', '10.0.0.1:8443', false],
    ['10.0.0.0/8', '10.0.0.1:8443', true],
    ['10.0.0.0/8', '11.0.0.1:8443', false],
    ['10.0.0.0/8', 'gateway.example:8443', false],
    ['[::1]', '[::1]:8443', true],
    ['fd00::/8', '[fd00::1]:8443', true],
    ['0.0.0.1', '10.0.0.1:8443', false],
  ])('%s for %s: %s', (rule, gateway, expected) => {
    const { hostname, port } = new URL(`http://${gateway}`);
    expect(isExempt({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }, ['other', rule])).toBe(expected);
  });
});

describe('the environment', () => {
  it('names a proxy and its exceptions, in either case', () => {
    expect(readEnvironment({ HTTPS_PROXY: 'http://p:1', NO_PROXY: ' a, ,b ' })).toMatchObject({ ok: true, value: { proxy: { proxy: { host: 'p', port: 1 }, noProxy: ['a', 'b'] } } });
    expect(readEnvironment({ https_proxy: 'p:1' })).toMatchObject({ value: { proxy: { proxy: { host: 'p' }, noProxy: [] } } });
    expect(readEnvironment({ NO_PROXY: 'x' })).not.toHaveProperty('value.proxy');
  });

  it('may be wrong, and its secret is not quoted', () => {
    const read = readEnvironment({ HTTPS_PROXY: 'socks5://u:secret@p:1' });
    expect(read.ok).toBe(false);
    expect(JSON.stringify(read)).not.toContain('secret');
  });
});
