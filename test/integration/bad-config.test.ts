import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { startProcess } from '../support/process.js';
import { nodeBinary, projectDir } from '../support/project.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';

/** A configuration with faults: all of them are named with line and column, the exit code is 1, and nothing has been started. */

let dir: TempDir;
let pki: TestPki;
beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

async function run(command: readonly string[], yaml: string): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const file = dir.join('config.yaml');
  await writeFile(file, yaml);
  await using child = startProcess({ name: 'scrapeway', command: nodeBinary, args: [path.join(projectDir, 'dist/src/main/scrapeway.js'), ...command, file], cwd: dir.path, env: { NODE_OPTIONS: '' } });
  const { code } = await child.exited;
  return { code, lines: child.log().trim().split('\n').map((line) => line.replaceAll(`${dir.path}/`, '')) };
}

const listener = (port: number, ca: string): string => `{ address: "127.0.0.1:${port}", tls: { certFile: ${pki.gateway.certificateFile}, keyFile: ${pki.gateway.keyFile}, clientCaFiles: [${ca}] } }`;
const gateway = (rest: string): string => `gateway: { id: test, names: [localhost] }
listeners:
  scrape: ${listener(9443, pki.clientsCaFile)}
  agents: ${listener(8443, pki.agentsCaFile)}
runtimeDir: run
${rest}`;
const TENANTS = `tenants:
  - { name: team-a, credentials: [{ certificate: { uri: "spiffe://scrapeway/tenant/team-a" } }] }
agents:
  - { name: site-a, tenants: [team-a] }
`;

const CASES: readonly (readonly [name: string, yaml: () => string, faults: readonly RegExp[]])[] = [
  ['YAML that is none', () => gateway('tenants: [ { name: a\nagents: ]'), [/^config\.yaml:7:1: wrong indentation/, /^config\.yaml:7:9: .*cannot stand here/]],
  ['an empty file', () => '', [/^config\.yaml:1:1: /]],
  ['a list where a map belongs', () => '- 1\n', [/^config\.yaml:1:1: /]],
  ['a tab as indentation', () => 'listeners:\n\tscrape: 1\n', [/^config\.yaml:2:1: /]],
  ['a key that stands twice', () => gateway(`${TENANTS}runtimeDir: again\n`), [/^config\.yaml:10:1: .*once more/]],
  ['unknown keys, with what was meant', () => gateway(`${TENANTS}tennants: []\nlimits: { maxConections: 1 }\n`), [/^config\.yaml:10:1: .*`tennants`; did you mean `tenants`/, /^config\.yaml:11:11: limits: .*`maxConections`; did you mean `maxConnections`/]],
  ['a value of the wrong type', () => gateway(`${TENANTS}dataThreads: many\nlimits: { maxConnections: [] }\n`), [/^config\.yaml:10:14: dataThreads: /, /^config\.yaml:11:27: limits\.maxConnections: /]],
  ['files that are not there', () => gateway(TENANTS).replaceAll('agents-ca.crt', 'nowhere.crt').replaceAll('gateway.key', 'nowhere.key'), [/^config\.yaml:3:\d+: listeners\.scrape\.tls\.keyFile: .*nowhere\.key does not exist/, /^config\.yaml:4:\d+: .*nowhere\.key does not exist/, /^config\.yaml:4:\d+: .*nowhere\.crt does not exist/]],
  ['a tenant that nobody has defined', () => gateway(TENANTS.replace('[team-a] }', '[team-z] }')), [/^config\.yaml:9:\d+: agents\[0\]\.tenants\[0\]: .*team-z/]],
  ['a key for another certificate', () => gateway(TENANTS).replaceAll('gateway.key', 'agents-ca.key'), [/^config\.yaml:3:\d+: .*is not the key of the certificate/, /^config\.yaml:4:\d+: .*is not the key of the certificate/]],
];

describe.each([[['check']], [['up', '-c']]])('scrapeway %j', (command) => {
  it.each(CASES)('%s', async (_name, yaml, faults) => {
    const { code, lines } = await run(command, yaml());
    expect(code).toBe(1);
    for (const fault of faults) expect(lines).toContainEqual(expect.stringMatching(fault));
    expect(lines).toHaveLength(faults.length);
    expect(await readdir(dir.path)).not.toContain('run');
  });

  it('a file that is not there', async () => {
    const child = startProcess({ name: 'scrapeway', command: nodeBinary, args: [path.join(projectDir, 'dist/src/main/scrapeway.js'), ...command, dir.join('nowhere.yaml')], cwd: dir.path, env: { NODE_OPTIONS: '' } });
    expect((await child.exited).code).toBe(1);
    expect(child.log()).toMatch(/^\S*nowhere\.yaml:\S* .*does not exist\n$/);
  });
});
