import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BCRYPT_HASH, changed, createConfigFolder, GATEWAY, marked, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';
import type { GatewayConfig } from './gateway-config.js';
import type { Loaded } from './load.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

async function load(text: string, environment = NO_ENVIRONMENT): Promise<Loaded<GatewayConfig>> {
  return loadGatewayConfig(await dir.write('gateway.yaml', text), environment);
}

async function loadSound(text: string, environment = NO_ENVIRONMENT): Promise<GatewayConfig> {
  const { result } = await load(text, environment);
  if (!result.ok) throw new Error(result.error.map(placed).join('\n'));
  return result.value;
}

async function faultsOf(text: string): Promise<readonly string[]> {
  const { result } = await load(text);
  return result.ok ? [] : result.error.map(placed);
}

/** `from` → `to`, where `to` has a mark for each expected fault: "place: message" with FOLDER for the folder. */
async function expectFaults(from: string, to: string, ...expected: readonly string[]): Promise<void> {
  const { text, positions } = marked(changed(GATEWAY, from, to));
  expect(positions).toHaveLength(expected.length);
  const { result } = await load(text);
  const faults = result.ok ? [] : result.error;
  expect(faults.map(placed)).toEqual(expected.map((fault) => fault.replaceAll('FOLDER', dir.path)));
  expect(faults.map(({ line, column }) => ({ line, column }))).toEqual(positions);
}

describe('a sound file', () => {
  it('is compiled, with every file that it names', async () => {
    const { state, process } = await loadSound(GATEWAY);
    expect(state.gateway).toMatchObject({
      id: 'gw-1',
      names: ['localhost'],
      scrape: { host: '127.0.0.1', port: 9443, certificateChainPem: expect.stringContaining('BEGIN CERTIFICATE'), privateKeyPem: expect.stringContaining('PRIVATE KEY'), clientCaPem: expect.stringContaining('BEGIN') },
      agents: { host: '127.0.0.1', port: 8443, clientCaPem: expect.stringContaining('BEGIN CERTIFICATE') },
      limits: { maxConnections: 50_000, maxScrapeConnections: 40_000, defaultScrapeTimeoutMs: 10_000, maxScrapeTimeoutMs: 300_000, deadlineMarginMs: 500 },
      accessLogPath: '/dev/stdout',
    });
    expect(state.tenants).toMatchObject([
      {
        name: 'team-a',
        credentials: [
          { kind: 'certificate', san: { type: 'uri', value: 'spiffe://scrapeway/tenant/team-a' } },
          { kind: 'basic', user: 'team-a', bcryptHash: BCRYPT_HASH },
          { kind: 'bearer', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        ],
        scrape: [{ agents: ['site-a'], targets: undefined, selector: [{ label: 'env', operator: '=', value: 'prod' }] }],
        limits: { requestsPerSecond: 1000, burst: 1000 },
      },
      { name: 'team-b', credentials: [{ kind: 'bearer', sha256: 'ab'.repeat(32) }], scrape: [{ agents: undefined, targets: undefined, selector: undefined }], limits: { requestsPerSecond: 1000, burst: 1000 } },
    ]);
    expect(state.agents).toEqual([
      { name: 'site-a', san: { type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }, tenants: ['team-a', 'team-b'], maxTargets: 10_000 },
      { name: 'site-b', san: { type: 'dns', value: 'site-b.example' }, tenants: ['team-a'], maxTargets: 10_000 },
    ]);
    expect(process).toMatchObject({
      runtimeDir: dir.join('run'),
      envoy: { path: undefined, concurrency: undefined, logLevel: 'warning', extraArgs: [] },
      metrics: { host: '127.0.0.1', port: 9464 },
      logLevel: 'info',
      discovery: { settleMs: 20_000, retentionMs: 86_400_000 },
      tunnel: { keepAlive: { intervalMs: 3500, timeoutMs: 8500 }, reconnectGraceMs: 10_000, maxLanes: 16 },
    });
    expect(process.dataThreads).toBeGreaterThanOrEqual(1);
  });

  it('has no warnings, and lists every file that was read', async () => {
    const { warnings, files } = await load(GATEWAY);
    expect(warnings).toEqual([]);
    const names = ['agents-ca.crt', 'clients-ca.crt', 'gateway.crt', 'gateway.key', 'gateway.yaml', 'team-a.bcrypt', 'team-a.token'];
    expect([...files.keys()].toSorted()).toEqual(names.map((name) => dir.join(name)));
  });

  it('a token is known by its hash, however it is written', async () => {
    const { state } = await loadSound(changed(GATEWAY, `sha256: ${'ab'.repeat(32)}`, `sha256: ${'AB'.repeat(32)}`));
    expect(state.tenants[1]?.credentials).toEqual([{ kind: 'bearer', sha256: 'ab'.repeat(32) }]);
  });

  it('host names have no case', async () => {
    const { state } = await loadSound(changed(GATEWAY, '[localhost]', '[LocalHost, localhost]'));
    expect(state.gateway.names).toEqual(['localhost']);
  });

  it('several CAs are one', async () => {
    const { state } = await loadSound(changed(GATEWAY, '[agents-ca.crt]', '[agents-ca.crt, sound-ca.crt]'));
    expect(state.gateway.agents.clientCaPem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it('does not ask scrapers for certificates unless it is told to', async () => {
    const { state } = await loadSound(changed(GATEWAY, '      clientCaFiles: [clients-ca.crt]\n', ''));
    expect(state.gateway.scrape.clientCaPem).toBeUndefined();
  });

  it('the environment goes before the file', async () => {
    const environment = { ...NO_ENVIRONMENT, logLevel: 'error', runtimeDir: '/run/other', envoyPath: '/opt/envoy' } as const;
    const { process } = await loadSound(`${GATEWAY}runtimeDir: x\nlog: { level: debug }\nenvoy: { path: bin/envoy }\n`, environment);
    expect(process).toMatchObject({ runtimeDir: '/run/other', logLevel: 'error', envoy: { path: '/opt/envoy' } });
  });

  it('paths are relative to its folder', async () => {
    const { process } = await loadSound(`${GATEWAY}runtimeDir: ./x\nenvoy: { path: bin/envoy }\n`);
    expect(process).toMatchObject({ runtimeDir: dir.join('x'), envoy: { path: dir.join('bin/envoy') } });
  });
});

describe('what is wrong is told with its place', () => {
  it.each([
    ['a reserved name', '[localhost]', '[‸x.Scrapeway]', 'gateway.names[0]: ends in ".scrapeway", which is for targets'],
    ['a name with a port', '[localhost]', '[localhost, ‸"a:1"]', 'gateway.names[1]: must be a host name or an IP address, without port and without brackets'],
    ['a host name to listen on', 'address: 127.0.0.1:9443', 'address: ‸localhost:9443', 'listeners.scrape.address: must be IP:PORT such as 0.0.0.0:9443 or [::]:9443; Envoy takes no host names here'],
    ['no port to listen on', 'address: 127.0.0.1:8443', 'address: ‸127.0.0.1:0', 'listeners.agents.address: must be IP:PORT such as 0.0.0.0:9443 or [::]:9443; Envoy takes no host names here'],
    ['one port for both doors', 'address: 127.0.0.1:8443', 'address: ‸0.0.0.0:9443', 'listeners.agents.address: is taken by listeners.scrape.address; the two doors need different ports'],
    ['a file that is not there', ' gateway.crt', ' ‸nowhere.crt', 'listeners.scrape.tls.certFile: FOLDER/nowhere.crt does not exist'],
    ['a folder for a file', ' gateway.crt', ' ‸agents', 'listeners.scrape.tls.certFile: FOLDER/agents is not a regular file'],
    ['a file without a certificate', ' gateway.crt', ' ‸no-pem', 'listeners.scrape.tls.certFile: FOLDER/no-pem holds no PEM certificate (-----BEGIN CERTIFICATE-----)'],
    ['a certificate that cannot be parsed', ' gateway.crt', ' ‸broken.crt', 'listeners.scrape.tls.certFile: FOLDER/broken.crt certificate 1 in it cannot be parsed'],
    ['a file without a key', ' gateway.key', ' ‸no-pem', 'listeners.scrape.tls.keyFile: FOLDER/no-pem holds no PEM private key (-----BEGIN PRIVATE KEY-----)'],
    ['the key of another', ' gateway.key', ' ‸other.key', 'listeners.scrape.tls.keyFile: FOLDER/other.key is not the key of the certificate in FOLDER/gateway.crt'],
    ['a leaf for a CA', '[clients-ca.crt]', '[‸gateway.crt]', 'listeners.scrape.tls.clientCaFiles[0]: FOLDER/gateway.crt holds no CA certificate; is it a server\'s or a client\'s own certificate?'],
    ['a CA that is not there', '[agents-ca.crt]', '[agents-ca.crt, ‸x]', 'listeners.agents.tls.clientCaFiles[1]: FOLDER/x does not exist'],
    ['a token that is short', 'team-a.token', '‸short.token', expect.stringMatching(/^tenants\[0\]\.credentials\[2\]\.bearer\.tokenFile: the token must be at least 16 of /)],
    ['a token over two lines', 'team-a.token', '‸two-lines', expect.stringContaining('on one line')],
    ['a token file that is empty', 'team-a.token', '‸empty', 'tenants[0].credentials[2].bearer.tokenFile: the file that it names is empty (a relative path starts at FOLDER)'],
    ['no token file', 'team-a.token', '‸nowhere', 'tenants[0].credentials[2].bearer.tokenFile: the file that it names does not exist (a relative path starts at FOLDER)'],
    ['a hash that is none', 'passwordHashFile: team-a.bcrypt', 'passwordHash: ‸plain', 'tenants[0].credentials[1].basic.passwordHash: is not a bcrypt hash; make one with "htpasswd -nB USER", it is what follows the colon'],
    ['the whole line of htpasswd', 'passwordHashFile: team-a.bcrypt', `passwordHash: ‸'team-a:${BCRYPT_HASH}'`, 'tenants[0].credentials[1].basic.passwordHash: is not a bcrypt hash; keep only what follows the colon'],
    ['a hash that takes minutes', 'passwordHashFile: team-a.bcrypt', `passwordHash: ‸${BCRYPT_HASH.replace('10', '20')}`, 'tenants[0].credentials[1].basic.passwordHash: the cost of the bcrypt hash is 20; it must be from 4 to 14'],
    ['one token for two', `- bearer: { sha256: ${'ab'.repeat(32)} }`, '- ‸bearer: { tokenFile: ./team-a.token }', 'tenants[1].credentials[0]: this token stands at tenants[0].credentials[2] already; a request could not be told apart'],
    ['one user for two', `- bearer: { sha256: ${'ab'.repeat(32)} }`, `- ‸basic: { user: team-a, passwordHash: ${BCRYPT_HASH} }`, 'tenants[1].credentials[0]: this user stands at tenants[0].credentials[1] already; a request could not be told apart'],
    ['one certificate for two', `- bearer: { sha256: ${'ab'.repeat(32)} }`, '- ‸certificate: { uri: "spiffe://scrapeway/tenant/team-a" }', 'tenants[1].credentials[0]: this name in a certificate stands at tenants[0].credentials[0] already; a request could not be told apart'],
    ['a tenant twice', 'name: team-b', 'name: ‸team-a', 'tenants[1].name: the tenant name "team-a" is taken by tenants[0].name', 'agents[0].tenants[1]: no tenant has the name "team-b"; did you mean "team-a"?'],
    ['an agent twice', 'name: site-b', 'name: ‸site-a', 'agents[1].name: the agent name "site-a" is taken by agents[0].name'],
    ['the certificate of another agent', '{ dns: site-b.example }', '‸{ uri: "spiffe://scrapeway/agent/site-a" }', 'agents[1].certificate: the name in its certificate is that of agents[0].name already; the two could not be told apart'],
    ['a tenant that nobody is', '[team-a, team-b]', '[team-a, ‸tema-b]', 'agents[0].tenants[1]: no tenant has the name "tema-b"; did you mean "team-b"?'],
    ['an agent that nobody is', 'agents: [site-a]', 'agents: [site-a, ‸x]', 'tenants[0].scrape[0].agents[1]: no agent has the name "x"'],
    ['a grant that could never match', 'tenants: [team-a, team-b]', 'tenants: [team-b]', 'tenants[0].scrape[0].agents[0]: the agent "site-a" does not serve this tenant; add "team-a" to its tenants'],
    ['a selector that is none', "'{env=\"prod\"}'", '‸env=prod', 'tenants[0].scrape[0].selector: must be written as {label="value", …}'],
    ['a regular expression that is none', "'{env=\"prod\"}'", "‸'{env=~\"(\"}'", expect.stringMatching(/^tenants\[0\]\.scrape\[0\]\.selector: env: is not a regular expression of RE2/)],
  ])('%s', async (_, from, to, ...expected) => {
    const faults = (await load(marked(changed(GATEWAY, from, to)).text)).result;
    const told = faults.ok ? [] : faults.error;
    expect(told.map(placed)).toEqual(expected.map((fault) => (typeof fault === 'string' ? fault.replaceAll('FOLDER', dir.path) : fault)));
    for (const position of marked(changed(GATEWAY, from, to)).positions) expect(told).toContainEqual(expect.objectContaining(position));
  });

  it.each([
    ['limits: { maxConnections: 10, maxScrapeConnections: ‸10 }', 'limits.maxScrapeConnections: must be less than maxConnections, so that agents always keep the rest'],
    ['limits: { maxScrapeTimeout: ‸2h }', 'limits.maxScrapeTimeout: must be from 1s to 1h'],
    ['limits: { maxScrapeTimeout: ‸0s }', 'limits.maxScrapeTimeout: must be from 1s to 1h'],
    ['limits: { maxScrapeTimeout: 30s, defaultScrapeTimeout: ‸1m }', 'limits.defaultScrapeTimeout: must be from 1s to 30s'],
    ['limits: { maxScrapeTimeout: ‸5s }', 'limits.defaultScrapeTimeout: must be from 1s to 5s'],
    ['limits: { deadlineMargin: ‸11s }', 'limits.deadlineMargin: must be from 0s to 10s'],
    ['discovery: { settle: ‸11m }', 'discovery.settle: must be from 0s to 10m'],
    ['discovery: { retention: ‸5w }', 'discovery.retention: must be from 0s to 4w2d'],
    ['tunnel: { reconnectGrace: ‸6m }', 'tunnel.reconnectGrace: must be from 0s to 5m'],
    ['tunnel: { keepAliveInterval: ‸10m }', 'tunnel.keepAliveInterval: must be from 100ms to 1m'],
    ['tunnel: { keepAliveTimeout: ‸100ms }', 'tunnel.keepAliveTimeout: must be from 200ms to 5m'],
    ['tunnel: { keepAliveTimeout: ‸3s }', 'tunnel.keepAliveTimeout: must be longer than keepAliveInterval'],
    ['metrics: { address: ‸"::1:9464" }', 'metrics.address: must be HOST:PORT such as 127.0.0.1:9464'],
    [`runtimeDir: ‸/${'x'.repeat(92)}`, 'runtimeDir: its absolute path has 93 bytes; sockets in it need it to have at most 92'],
    ['gateway: ‸{ names: [x] }', ': this key stands in the same map once more; remove one of them'],
  ])('%s', async (line, fault) => {
    const { text, positions } = marked(`${GATEWAY}${line}\n`);
    const { result } = await load(text);
    expect(result.ok ? [] : result.error.map(placed)).toEqual([fault]);
    // defaults and duplicates stand elsewhere in the line
    expect(result.ok ? [] : result.error.map((each) => each.line)).toEqual(positions.map((each) => each.line));
  });

  it('with line and column', async () => {
    await expectFaults('[localhost]', '[‸x.scrapeway, ‸"a b"]', 'gateway.names[0]: ends in ".scrapeway", which is for targets', 'gateway.names[1]: must be a host name or an IP address, without port and without brackets');
    await expectFaults('certFile: gateway.crt', 'certFile: ‸nowhere', 'listeners.scrape.tls.certFile: FOLDER/nowhere does not exist');
    await expectFaults('  id: gw-1\n', '  ‸idd: gw-1\n', 'gateway: unknown key `idd`; did you mean `id`?');
    await expectFaults('\n    tls:\n      certFile: gateway.crt\n      keyFile: gateway.key\n', '\n    tls:\n      ‸certFile: gateway.crt\n', 'listeners.scrape.tls.keyFile: is missing');
  });

  it('a file that is not there', async () => {
    const { result, files } = await loadGatewayConfig(dir.join('nowhere.yaml'), NO_ENVIRONMENT);
    expect(result).toEqual({ ok: false, error: [{ place: '', message: 'does not exist' }] });
    expect([...files]).toEqual([[dir.join('nowhere.yaml'), 'ENOENT']]);
  });

  it.each(['', 'text', '- 1', 'null'])('a file that is something else: %j', async (text) => {
    expect(await faultsOf(text)).toHaveLength(1);
  });
});

/** The file with another certificate at the scrape door. */
function withPair(name: string): string {
  return changed(changed(GATEWAY, ' gateway.crt', ` ${name}.crt`), ' gateway.key', ` ${name}.key`);
}

describe('certificates are judged when they are read', () => {
  const place = 'listeners.scrape.tls.certFile';

  it.each([
    ['expired', expect.stringMatching(/expired\.crt expired on \d{4}-/)],
    ['future', expect.stringMatching(/future\.crt is not valid before \d{4}-/)],
    ['server-ca', expect.stringContaining("server-ca.crt holds a CA as its first certificate; the server's own must come first")],
    ['agents/site-a', expect.stringContaining('agents/site-a.crt is not for servers: its extended key usage lacks serverAuth')],
  ])('%s', async (name, message) => {
    const { result } = await load(withPair(name));
    expect(result).toMatchObject({ ok: false, error: [{ place, message, line: 8, column: 17 }] });
  });

  it('one that expires within a week is a warning', async () => {
    const { result, warnings } = await load(withPair('soon'));
    expect(result.ok).toBe(true);
    expect(warnings).toEqual([{ place, message: expect.stringMatching(/soon\.crt expires on \d{4}-/), line: 8, column: 17 }]);
  });

  it('one that does not have a name of the gateway is a warning', async () => {
    const { result, warnings } = await load(changed(GATEWAY, '[localhost]', '[localhost, gateway.example, 127.0.0.1]'));
    expect(result.ok).toBe(true);
    expect(warnings).toMatchObject([{ place, message: 'the certificate does not name "gateway.example" of gateway.names; clients that dial it must be told another server name', line: 8 }]);
  });

  it('an expired CA', async () => {
    expect(await faultsOf(changed(GATEWAY, '[agents-ca.crt]', '[expired-ca.crt]'))).toEqual([expect.stringMatching(/^listeners\.agents\.tls\.clientCaFiles\[0\]: .*expired-ca\.crt expired on/)]);
  });

  it('an expired CA beside a sound one is a warning: so are roots rotated', async () => {
    const { result, warnings } = await load(changed(GATEWAY, '[agents-ca.crt]', '[mixed-ca.crt]'));
    expect(result.ok).toBe(true);
    expect(warnings).toMatchObject([{ message: expect.stringMatching(/mixed-ca\.crt: a CA in it expired on/) }]);
  });
});

describe('one mistake is one fault', () => {
  it.each([
    ['a misspelt list of agents', changed(GATEWAY, '\nagents:\n', '\nagnets:\n'), 'unknown key `agnets`; did you mean `agents`?'],
    ['a misspelt list of tenants', changed(GATEWAY, '\ntenants:\n', '\ntenats:\n'), 'unknown key `tenats`; did you mean `tenants`?'],
    ['a misspelt name of an agent', changed(GATEWAY, '- name: site-a', '- nane: site-a'), 'unknown key `nane`; did you mean `name`?'],
    ['an agent without tenants', changed(GATEWAY, '    tenants: [team-a, team-b]\n', ''), 'is missing'],
    ['listeners that are text', GATEWAY.replace(/listeners:[^]*\ntenants:/, 'listeners: x\ntenants:'), 'must be a map (key: value)'],
    ['nothing where the tenants should be', GATEWAY.replace(/\ntenants:[^]*\nagents:/, '\ntenants:\nagents:'), 'is empty; give it a value or remove the key'],
    ['an empty entry', changed(GATEWAY, '  - name: site-b\n    tenants: [team-a]\n    certificate: { dns: site-b.example }\n', '  -\n'), 'is empty; give it a value or remove the key'],
  ])('%s', async (_, text, message) => {
    expect(await faultsOf(text)).toEqual([expect.stringContaining(message)]);
  });
});

it('all faults of a file are told at once, in the order of the file', async () => {
  const { text, positions } = marked(`gateway:
  ‸ids: x
  names: [‸a.scrapeway]
listeners:
  scrape:
    address: ‸localhost:9443
    tls:
      certFile: gateway.crt
      keyFile: ‸other.key
  agents:
    address: ‸8443
    tls:
      certFile: ‸nowhere.crt
      keyFile: gateway.key
      clientCaFiles: [‸no-pem]
tenants:
  - name: ‸TEAM
    credentials: [{ bearer: { sha256: '${'00'.repeat(32)}' } }]
  - name: team-b
    credentials:
      - ‸{}
    limits: { burst: ‸0 }
  - name: team-c
    credentials: [{ bearer: { tokenFile: ‸short.token } }]
    scrape: [{ agents: [‸nobody], selector: ‸xx }]
agents:
  - name: site-a
    tenants: [‸team-x]
envoy: { logLevel: ‸loud }
limits: { deadlineMargin: ‸1h }
discovery: { settle: ‸1h }
metrics: { ‸addr: x }
tunnel: { keepAliveTimeout: ‸1s }
`);
  const { result } = await load(text);
  const told = result.ok ? [] : result.error;
  expect(told.map(({ line, column }) => `${line}:${column}`)).toEqual(positions.map(({ line, column }) => `${line}:${column}`));
});

describe('no message holds a secret', () => {
  const SECRET = 'Zx9vQ7kLmN4pR2sT8wYb';
  it.each([
    ['a password in place of its hash', 'passwordHashFile: team-a.bcrypt', `passwordHash: ${SECRET}`],
    ['a password under a wrong key', 'passwordHashFile: team-a.bcrypt', `password: ${SECRET}`],
    ['a password of a wrong type', 'passwordHashFile: team-a.bcrypt', `passwordHash: [${SECRET}]`],
    ['a line of htpasswd', 'passwordHashFile: team-a.bcrypt', `passwordHash: 'x:$2y$05$${SECRET}'`],
    ['a token in place of its hash', 'tokenFile: team-a.token', `sha256: ${SECRET}`],
    ['a token in place of its file', 'tokenFile: team-a.token', `tokenFile: ${SECRET}`],
    ['a token where a map belongs', '{ tokenFile: team-a.token }', SECRET],
    ['a token in a file of two lines', 'team-a.token', 'two.token'],
    ['a token twice', 'tokenFile: team-a.token }', 'tokenFile: a.token }\n      - bearer: { tokenFile: a.token }'],
    ['a quote that is not closed', 'tokenFile: team-a.token', `tokenFile: "${SECRET}`],
    ['a user with a colon', 'user: team-a', `user: 'team-a:${SECRET}'`],
    ['a key of a certificate that is damaged', ' gateway.key', ' damaged.key'],
  ])('%s', async (_, from, to) => {
    await dir.write('two.token', `${SECRET}\n${SECRET}\n`);
    await dir.write('a.token', `${SECRET}\n`);
    await dir.write('damaged.key', `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`);
    const { result, warnings } = await load(changed(GATEWAY, from, to));
    expect(result.ok).toBe(false);
    expect(JSON.stringify([result, warnings])).not.toContain(SECRET);
  });
});

describe('join', () => {
  const joining = (more: string): string => `${GATEWAY}\njoin: { ${more} }\n`;
  const SOUND = 'caCertFile: agents-ca.crt, caKeyFile: agents-ca.key, serverCaFile: server-ca.crt';

  it('opens the doors, and keeps the CA\'s key out of the state', async () => {
    const { join, state } = await loadSound(joining(SOUND));
    expect(join).toMatchObject({ certificateTtlMs: 86_400_000, authority: { privateKeyPem: expect.stringContaining('PRIVATE KEY') } });
    expect(state.gateway.joins).toBe(true);
    expect(JSON.stringify(state)).not.toContain(join?.authority.privateKeyPem.split('\n')[1]);
    expect((await loadSound(GATEWAY)).state.gateway.joins).toBeUndefined();
  });

  it.each([
    ['another CA\'s key', SOUND.replace('agents-ca.key', 'server-ca.key'), 'join.caKeyFile: is not the key of join.caCertFile'],
    ['a CA that the agents\' listener does not trust', SOUND.replaceAll('agents-ca', 'clients-ca'), 'join.caCertFile: is not among listeners.agents.tls.clientCaFiles: agents that join would not be let in'],
    ['a life that is over before it is used', `${SOUND}, certificateTtl: 1s`, expect.stringContaining('join.certificateTtl: ')],
  ])('refuses %s', async (_, more, fault) => {
    expect(await faultsOf(joining(more))).toEqual([fault]);
  });
});
