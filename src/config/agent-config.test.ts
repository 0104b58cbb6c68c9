import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AGENT, changed, createConfigFolder, marked, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadAgentConfig } from './agent-config.js';
import type { AgentConfig } from './agent-config.js';
import type { Loaded } from './load.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

async function load(text: string, environment = NO_ENVIRONMENT): Promise<Loaded<AgentConfig>> {
  return loadAgentConfig(await dir.write('agent.yaml', text), environment);
}

async function loadSound(text: string, environment = NO_ENVIRONMENT): Promise<AgentConfig> {
  const { result } = await load(text, environment);
  if (!result.ok) throw new Error(result.error.map(placed).join('\n'));
  return result.value;
}

/** The file with other lines at the end of its first target. */
function withTarget(lines: string): string {
  return changed(AGENT, '    url: http://127.0.0.1:9100/metrics\n', `    url: http://127.0.0.1:9100/metrics\n${lines.replaceAll(/^/gm, '    ')}\n`);
}

function withUrl(url: string): string {
  return changed(AGENT, 'http://127.0.0.1:9100/metrics', JSON.stringify(url));
}

describe('a sound file', () => {
  it('is compiled, with every file that it names', async () => {
    const { name, settings, credentials, process } = await loadSound(AGENT);
    expect(name).toBe('site-a');
    expect(credentials).toEqual({ certificate: expect.stringContaining('BEGIN CERTIFICATE'), key: expect.stringContaining('PRIVATE KEY'), ca: expect.stringContaining('BEGIN CERTIFICATE') });
    expect(settings.gateways).toEqual([{ host: 'gateway.example', port: 8443, serverName: 'gateway.example' }]);
    expect(settings.maxConcurrentScrapes).toBe(1000);
    const plainTls = { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false };
    expect(settings.targets).toEqual([
      {
        target: { name: 'node', scheme: 'http', host: '127.0.0.1', port: 9100, path: '/metrics', labels: {} },
        allowedPaths: ['/metrics'],
        timeoutMs: undefined,
        maxBodyBytes: 2 ** 30,
        tls: plainTls,
        headers: {},
      },
      {
        target: { name: 'app', scheme: 'https', host: 'app.example', port: 443, path: '/federate?x=1', labels: { env: 'prod' } },
        allowedPaths: ['/federate'],
        timeoutMs: undefined,
        maxBodyBytes: 2 ** 30,
        tls: plainTls,
        headers: { authorization: `Basic ${Buffer.from('scraper:pass:word').toString('base64')}` },
      },
    ]);
    expect(process).toEqual({ metrics: { host: '127.0.0.1', port: 9465 }, logLevel: 'info', drainTimeoutMs: 30_000, keepAlive: { intervalMs: 3500, timeoutMs: 8500 } });
  });

  it('may have no targets yet', async () => {
    const { settings } = await loadSound(AGENT.replace(/targets:[^]*/, 'targets: []\n'));
    expect(settings.targets).toEqual([]);
  });

  it('says all of a target that can be said', async () => {
    const { settings } = await loadSound(
      withTarget('paths: [/probe, /api/*]\ntimeout: 5s\nmaxBodySize: 2MiB\nheaders: { X-Scope: site-a }\nbearerTokenFile: team-a.token').replace(
        'http://127.0.0.1:9100/metrics',
        'https://[::1]:9100/metrics\n    tls: { caFile: server-ca.crt, certFile: other.crt, keyFile: other.key, serverName: node.example }',
      ),
    );
    expect(settings.targets[0]).toEqual({
      target: { name: 'node', scheme: 'https', host: '::1', port: 9100, path: '/metrics', labels: {} },
      allowedPaths: ['/metrics', '/probe', '/api/*'],
      timeoutMs: 5000,
      maxBodyBytes: 2 * 2 ** 20,
      tls: { caPem: expect.stringContaining('BEGIN'), client: { certificatePem: expect.stringContaining('BEGIN'), keyPem: expect.stringContaining('PRIVATE KEY') }, serverName: 'node.example', insecureSkipVerify: false },
      headers: { 'X-Scope': 'site-a', authorization: 'Bearer 0123456789abcdef0123456789abcdef' },
    });
  });

  it.each([
    ['http://host', { host: 'host', port: 80, path: '/' }],
    ['HTTP://Host.Example/a%20b?c=d&c=e', { host: 'host.example', port: 80, path: '/a%20b?c=d&c=e' }],
    ['https://10.0.0.1', { host: '10.0.0.1', port: 443 }],
    ['http://[2001:db8::1]:9/x', { host: '2001:db8::1', port: 9 }],
    ['http://host/m?match[]={job="x y"}', { path: '/m?match[]={job=%22x%20y%22}' }],
  ])('the url %s', async (url, expected) => {
    const { settings } = await loadSound(withUrl(url));
    expect(settings.targets[0]?.target).toMatchObject(expected);
  });

  it('the environment goes before the file', async () => {
    expect((await loadSound(AGENT, { ...NO_ENVIRONMENT, logLevel: 'error' })).process.logLevel).toBe('error');
  });

  it('a server name may be given to a gateway', async () => {
    const { settings } = await loadSound(changed(AGENT, '  - address: gateway.example:8443\n', '  - { address: "[::1]:8443", serverName: gw.example }\n'));
    expect(settings.gateways).toEqual([{ host: '::1', port: 8443, serverName: 'gw.example' }]);
  });
});

describe('what is wrong is told with its place', () => {
  it.each([
    ['the name of another', 'gateways:\n', 'agent: { name: ‸site-b }\ngateways:\n', 'agent.name: the certificate in tls.certFile is for the agent "site-a"'],
    ['an address without a port', 'gateway.example:8443', '‸gateway.example:0', 'gateways[0].address: must be HOST:PORT such as gateway.example:8443'],
    ['an address that is none', 'gateway.example:8443', '‸a/b:1', 'gateways[0].address: must be HOST:PORT such as gateway.example:8443'],
    ['no certificate', 'agents/site-a.crt', '‸nowhere', 'tls.certFile: FOLDER/nowhere does not exist'],
    ['the key of another', 'agents/site-a.key', '‸other.key', 'tls.keyFile: FOLDER/other.key is not the key of the certificate in FOLDER/agents/site-a.crt'],
    ['no CA', 'server-ca.crt', '‸other.crt', "tls.caFile: FOLDER/other.crt holds no CA certificate; is it a server's or a client's own certificate?"],
    ['a target twice', 'name: app', 'name: ‸node', 'targets[1].name: the target name "node" is taken by targets[0]'],
    ['a password that is not there', 'passwordFile: password', 'passwordFile: ‸x', 'targets[1].basic.passwordFile: the file that it names does not exist (a relative path starts at FOLDER)'],
    ['a password that is empty', 'passwordFile: password', 'passwordFile: ‸empty', 'targets[1].basic.passwordFile: the file that it names is empty (a relative path starts at FOLDER)'],
    ['a reserved label', '{ env: prod }', '{ instance: ‸x }', 'targets[1].labels.instance: label "instance" is set by the gateway'],
    ['a label that steers', '{ env: prod }', '{ __address__: ‸x }', 'targets[1].labels.__address__: label "__address__" starts with "__", which steers Prometheus itself'],
    ['a label of another alphabet', '{ env: prod }', '{ a-b: ‸x }', 'targets[1].labels.a-b: label "a-b" is not a label name of Prometheus'],
    ['basic and bearer', '    basic', '    bearerTokenFile: ‸team-a.token\n    basic', 'targets[1].bearerTokenFile: stands beside `basic`; a request can carry one of them'],
    ['basic and a header', '    basic', '    headers: { Authorization: ‸x }\n    basic', 'targets[1].headers.Authorization: is set by `basic` or `bearerTokenFile` already'],
  ])('%s', async (_, from, to, expected) => {
    const { text, positions } = marked(changed(AGENT, from, to));
    const { result } = await load(text);
    expect(result.ok ? [] : result.error.map(placed)).toEqual([expected.replaceAll('FOLDER', dir.path)]);
    expect(result.ok ? [] : result.error).toMatchObject(positions);
  });

  it.each([
    ['ftp://host/x', 'must be a URL such as http://127.0.0.1:9100/metrics'],
    ['127.0.0.1:9100', 'must be a URL such as http://127.0.0.1:9100/metrics'],
    ['http://', 'must be a URL such as http://127.0.0.1:9100/metrics'],
    ['http://user:Zx9vQ7kLmN4p@host/', 'must hold no credentials; use `basic` or `bearerTokenFile`'],
    ['http://host/#x', 'has a fragment ("#…"), which is never sent'],
    ['http://host:0/', 'port must be 1 to 65535'],
    ['http://host/metrics*', 'has a path that ends in "*"; write "%2A", since in `paths` a "*" stands for anything'],
    ["http://ho'st/", 'host must be a host name or an address'],
    [`http://host/${'x'.repeat(2048)}`, 'path must start with "/", have no space, control character or "#", and at most 2048 characters'],
  ])('the url %s', async (url, message) => {
    const { result } = await load(withUrl(url));
    expect(result).toEqual({ ok: false, error: [{ place: 'targets[0].url', message, line: 9, column: 10 }] });
  });

  it.each([
    ['headers: { Host: x }', 'headers.Host: "Host" cannot be set; it is made for each request'],
    ['headers: { "a b": x }', 'headers["a b"]: "a b" is not a header\'s name'],
    ['headers: { X: "a\\r\\nY: b" }', 'headers.X: the value of "X" has a character that no header can carry'],
    ['headers: { X: "€" }', 'headers.X: the value of "X" has a character that no header can carry'],
    ['headers: { X-A: a, x-a: b }', "headers.x-a: \"x-a\" stands here already; a header's name has no case"],
    ['bearerTokenFile: two-lines', 'bearerTokenFile: holds more than a token: a line break or another character that no header can carry'],
    ['timeout: 50ms', 'timeout: must be from 100ms to 1h'],
    ['tls: { serverName: x }', 'tls: is for https targets; the url says http'],
  ])('%s', async (line, expected) => {
    const { result } = await load(withTarget(line));
    expect(result.ok ? [] : result.error.map(placed)).toEqual([`targets[0].${expected}`]);
  });

  it.each([
    ['{ certFile: other.crt }', 'tls: needs both `certFile` and `keyFile`, or none'],
    ['{ caFile: nowhere }', 'tls.caFile: FOLDER/nowhere does not exist'],
    ['{ certFile: gateway.crt, keyFile: gateway.key }', 'tls.certFile: FOLDER/gateway.crt is not for clients: its extended key usage lacks clientAuth'],
  ])('towards an https target: %s', async (tls, expected) => {
    const { result } = await load(changed(AGENT, '    basic', `    tls: ${tls}\n    basic`));
    expect(result.ok ? [] : result.error.map(placed)).toEqual([`targets[1].${expected.replaceAll('FOLDER', dir.path)}`]);
  });

  it.each([
    ['drainTimeout: 11m', 'drainTimeout: must be from 0s to 10m'],
    ['keepAlive: { interval: 2m }', 'keepAlive.interval: must be from 100ms to 1m'],
    ['keepAlive: { timeout: 1s }', 'keepAlive.timeout: must be longer than interval'],
    ['metrics: { address: "[x]:1" }', 'metrics.address: must be HOST:PORT such as 127.0.0.1:9464'],
  ])('%s', async (line, expected) => {
    const { result } = await load(`${AGENT}${line}\n`);
    expect(result.ok ? [] : result.error.map(placed)).toEqual([expected]);
  });

  it('all at once, in the order of the file', async () => {
    const { text, positions } = marked(`agent: { name: ‸SITE }
gateways:
  - address: ‸x:0
  - ‸adress: x:1
tls: { certFile: ‸nowhere, keyFile: agents/site-a.key, caFile: ‸no-pem }
targets:
  - { name: ‸A/B, url: "http://x" }
  - name: b
    url: ‸x
    labels: { agent: ‸x }
    timeout: ‸1ms
limits: { maxBodySize: ‸1 }
drainTimeout: ‸1h
metrics: { address: ‸x }
log: { level: ‸loud }
`);
    const { result } = await load(text);
    expect((result.ok ? [] : result.error).map(({ line, column }) => ({ line, column }))).toEqual(positions);
  });
});

describe('warnings', () => {
  it('a target that is not verified', async () => {
    const { result, warnings } = await load(changed(AGENT, '    basic', '    tls: { insecureSkipVerify: true }\n    basic'));
    expect(result.ok).toBe(true);
    expect(warnings.map(placed)).toEqual(['targets[1].tls.insecureSkipVerify: the target is not verified: it can be anybody']);
  });

  it("the agents' CA in place of the gateway's", async () => {
    const { warnings } = await load(changed(AGENT, 'server-ca.crt', 'agents-ca.crt'));
    expect(warnings.map(placed)).toEqual(["tls.caFile: signed the agent's own certificate; if that is not one CA for both on purpose, name the gateway's CA here"]);
  });
});

describe('no message holds a secret', () => {
  const SECRET = 'Zx9vQ7kLmN4pR2sT8wYb';
  it.each([
    ['a password in the url', 'http://127.0.0.1:9100/metrics', `http://user:${SECRET}@127.0.0.1:9100/metrics`],
    ['a password in a url that is none', 'http://127.0.0.1:9100/metrics', `http://user:${SECRET}@127.0.0.1:x/metrics`],
    ['a password in place of its file', 'passwordFile: password', `passwordFile: ${SECRET}`],
    ['a password under a wrong key', 'passwordFile: password', `password: ${SECRET}`],
    ['a token in place of its file', '    labels', `    bearerTokenFile: ${SECRET}\n    labels`],
    ['a token in a header that is refused', '    labels', `    headers: { Host: ${SECRET} }\n    labels`],
    ['a token in a header with a line break', '    labels', `    headers: { X: "${SECRET}\\n" }\n    labels`],
    ['a number in a header', '    labels', `    headers: { X: [${SECRET}] }\n    labels`],
  ])('%s', async (_, from, to) => {
    const { result, warnings } = await load(changed(AGENT, from, to));
    expect(result.ok).toBe(false);
    expect(JSON.stringify([result, warnings])).not.toContain(SECRET);
  });
});

describe('renewal', () => {
  it('needs certificate and key in one file', async () => {
    const { result } = await load(changed(AGENT, '  keyFile: agents/site-a.key\n', '  keyFile: agents/site-a.key\n  renew: true\n'));
    expect(result).toMatchObject({ ok: false, error: [{ place: 'tls.renew', message: expect.stringContaining('one file') }] });
  });

  it('is off by default', async () => {
    expect((await loadSound(AGENT)).renewFile).toBeUndefined();
  });
});
