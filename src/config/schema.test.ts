import { describe, expect, it } from '@jest/globals';
import { createSchemaCheck } from './schema.js';
import type { SchemaFault } from './schema.js';
import { formatPath, parseYaml } from './yaml-source.js';
import { AGENT, changed, GATEWAY } from '../../test/support/config-folder.js';

const gateway = createSchemaCheck('gateway');
const agent = createSchemaCheck('agent');

function faultsOf(check: typeof gateway, text: string): readonly SchemaFault[] {
  const source = parseYaml(text);
  if (!source.ok) throw new Error(JSON.stringify(source.error));
  return check(source.value.value);
}

/** What a person is told, each with its place. */
function told(faults: readonly SchemaFault[]): readonly string[] {
  return faults.filter(({ implied }) => !implied).map(({ path, message }) => `${formatPath(path)}: ${message}`);
}

describe('a sound file', () => {
  it.each([
    ['gateway', gateway, GATEWAY],
    ['agent', agent, AGENT],
  ])('of the %s has no fault', (_, check, text) => {
    expect(faultsOf(check, text)).toEqual([]);
  });

  it('gets the defaults, in depth', () => {
    const source = parseYaml(GATEWAY);
    const value: unknown = source.ok ? source.value.value : undefined;
    expect(gateway(value)).toEqual([]);
    expect(value).toMatchObject({
      runtimeDir: 'run',
      dataThreads: 'auto',
      envoy: { logLevel: 'warning', extraArgs: [] },
      limits: { maxScrapeTimeout: '5m' },
      tenants: [{ limits: { requestsPerSecond: 1000 } }, { scrape: [{}], limits: { requestsPerSecond: 1000 } }],
      agents: [{ maxTargets: 10_000 }, {}],
    });
  });
});

describe('an unknown key', () => {
  it('with a near known one is one mistake: the key that is then missing is implied', () => {
    const faults = faultsOf(gateway, changed(GATEWAY, 'tenants:\n', 'tenats:\n'));
    expect(told(faults)).toEqual(['tenats: unknown key `tenats`; did you mean `tenants`?']);
    expect(faults).toContainEqual(expect.objectContaining({ path: ['tenants'], kind: 'missing', implied: true }));
  });

  it('for an alternative implies the alternative', () => {
    expect(told(faultsOf(gateway, changed(GATEWAY, '- bearer: { tokenFile', '- baerer: { tokenFile')))).toEqual([
      'tenants[0].credentials[2].baerer: unknown key `baerer`; did you mean `bearer`?',
    ]);
    expect(told(faultsOf(gateway, changed(GATEWAY, '{ tokenFile:', '{ tokenfile:')))).toEqual(['tenants[0].credentials[2].bearer.tokenfile: unknown key `tokenfile`; did you mean `tokenFile`?']);
  });

  it('without a near one lists what is known, and hides nothing that is missing', () => {
    expect(told(faultsOf(gateway, changed(GATEWAY, '  names: [localhost]', '  hosts: [localhost]'))).toSorted()).toEqual([
      'gateway.hosts: unknown key `hosts`; known here: id, names, peers',
      'gateway.names: is missing',
    ]);
  });

  it('in another map implies nothing', () => {
    const faults = told(faultsOf(gateway, `${changed(GATEWAY, 'agents:\n  - name: site-a\n', 'agents:\n  - nam: site-a\n')}metrics: { addres: 'x:1' }\n`));
    expect(faults.toSorted()).toEqual(['agents[0].nam: unknown key `nam`; did you mean `name`?', 'metrics.addres: unknown key `addres`; did you mean `address`?']);
  });

  it.each(['constructor', 'toString', '__proto__'])('may be called %s', (key) => {
    expect(told(faultsOf(agent, `${AGENT}${key}: { x: 1 }\n`))).toEqual([expect.stringContaining(`unknown key \`${key}\``)]);
  });
});

describe('what is said of a value', () => {
  it.each<readonly [string, typeof gateway, string, string, string, string]>([
    ['nothing', gateway, 'names: [localhost]', 'names:', 'gateway.names', 'is empty; give it a value or remove the key'],
    ['a scalar for a list', gateway, 'names: [localhost]', 'names: localhost', 'gateway.names', 'must be a list (- …)'],
    ['an empty list', gateway, 'names: [localhost]', 'names: []', 'gateway.names', 'must not be empty'],
    ['the same twice', gateway, 'names: [localhost]', 'names: [a, a]', 'gateway.names', 'has the same entry twice'],
    ['a number for a text', gateway, 'names: [localhost]', 'names: [1]', 'gateway.names[0]', 'must be text; put it in quotes'],
    ['a number for a name', gateway, 'name: team-b', 'name: 7', 'tenants[1].name', 'must be 1 to 63 of a-z, 0-9, "-", "_", starting and ending with a letter or digit (as text: put it in quotes)'],
    ['a bad name', gateway, 'name: team-b', 'name: Team B', 'tenants[1].name', 'must be 1 to 63 of a-z, 0-9, "-", "_", starting and ending with a letter or digit'],
    ['a list for a map', gateway, '  id: gw-1\n  names: [localhost]\n', '  - x\n', 'gateway', 'must be a map (key: value)'],
    ['two alternatives', gateway, '- bearer: { tokenFile: team-a.token }', '- { bearer: { tokenFile: x }, certificate: { dns: y } }', 'tenants[0].credentials[2]', 'needs exactly one of `certificate`, `basic`, `bearer`, `jwt`, `serviceAccount`'],
    ['no alternative', gateway, '{ tokenFile: team-a.token }', '{}', 'tenants[0].credentials[2].bearer', 'needs exactly one of `sha256`, `tokenFile`'],
    ['both names of a certificate', gateway, '{ dns: site-b.example }', '{ dns: a, uri: "b:c" }', 'agents[1].certificate', 'needs exactly one of `uri`, `dns`'],
    ['a missing key', gateway, '  names: [localhost]\n', '', 'gateway.names', 'is missing'],
    ['a missing key with an example', agent, '    url: http://127.0.0.1:9100/metrics\n', '', 'targets[0].url', 'is missing; for instance "http://127.0.0.1:9100/metrics"'],
    ['a number for a label', agent, '{ env: prod }', '{ env: 7 }', 'targets[1].labels.env', 'must be text; put it in quotes'],
    ['a map for a label', agent, '{ env: prod }', '{ env: {} }', 'targets[1].labels.env', 'must be text'],
    ['a path with a query', agent, '    labels', '    paths: ["/a?b"]\n    labels', 'targets[1].paths[0]', 'must be a path that starts with "/", with "*" only at its end'],
    ['a text that is too long', agent, '{ env: prod }', `{ env: ${'x'.repeat(1025)} }`, 'targets[1].labels.env', 'is longer than 1024 characters'],
    ['a name with a slash', agent, 'name: app', 'name: a/b', 'targets[1].name', 'must be 1 to 128 of a-z, 0-9, ".", "-", "_", starting and ending with a letter or digit, without ".."'],
  ])('%s', (_, check, text, from, place, message) => {
    expect(told(faultsOf(check, changed(check === gateway ? GATEWAY : AGENT, text, from)))).toEqual([`${place}: ${message}`]);
  });

  it.each([
    ['dataThreads: 0', 'dataThreads: must be `auto` or a whole number from 1 to 64'],
    ['dataThreads: many', 'dataThreads: must be `auto` or a whole number from 1 to 64'],
    ['envoy: { concurrency: 1.5 }', 'envoy.concurrency: must be a whole number'],
    ['envoy: { concurrency: 0 }', 'envoy.concurrency: must be from 1 to 256'],
    ['envoy: { logLevel: warn }', 'envoy.logLevel: must be one of trace, debug, info, warning, error, critical, off'],
    ['limits: { deadlineMargin: 500 }', 'limits.deadlineMargin: must be a duration such as 500ms, 10s or 1m30s (as text: put it in quotes)'],
    ['limits: { deadlineMargin: 1.5s }', 'limits.deadlineMargin: must be a duration such as 500ms, 10s or 1m30s'],
    ['accessLog: { path: log }', 'accessLog.path: must be an absolute path'],
    ['metrics: { address: ":1" }', 'metrics.address: must be HOST:PORT such as 127.0.0.1:9464'],
  ])('%s', (line, fault) => {
    expect(told(faultsOf(gateway, `${GATEWAY}${line}\n`))).toEqual([fault]);
  });

  it.each([
    ['limits: { maxBodySize: 64MB }', 'limits.maxBodySize: must be a size such as 512KiB, 64MiB or 1GiB'],
    ['limits: { maxBodySize: 0B }', 'limits.maxBodySize: must be a size such as 512KiB, 64MiB or 1GiB'],
  ])('%s', (line, fault) => {
    expect(told(faultsOf(agent, `${AGENT}${line}\n`))).toEqual([fault]);
  });
});

describe('a file that is something else', () => {
  it.each([
    ['', ': the file is empty'],
    ['text', ': must be a map (key: value)'],
    ['- 1', ': must be a map (key: value)'],
  ])('%j', (text, fault) => {
    expect(told(faultsOf(gateway, text))).toEqual([fault]);
  });
});

it('every fault of a file is found at once', () => {
  const text = 'gateway: { id: "a b" }\nlisteners: []\ntenants: [{ name: X, credentials: [{ basic: { user: "a:b" } }] }]\nagents: 1\n';
  expect(told(faultsOf(gateway, text)).map((fault) => fault.slice(0, fault.indexOf(':'))).toSorted()).toEqual([
    'agents',
    'gateway.id',
    'gateway.names',
    'listeners',
    'tenants[0].credentials[0].basic',
    'tenants[0].credentials[0].basic.user',
    'tenants[0].name',
  ]);
});
