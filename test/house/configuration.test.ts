import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadAgentConfig } from '../../src/config/agent-config.js';
import { loadGatewayConfig } from '../../src/config/gateway-config.js';
import { configurationReference } from '../../src/config/reference.js';
import type { SchemaNode } from '../../src/config/reference.js';
import { createSchemaCheck, schemaText } from '../../src/config/schema.js';
import { parseYaml } from '../../src/config/yaml-source.js';
import { createTestPki } from '../support/certificates.js';
import { BCRYPT_HASH, NO_ENVIRONMENT, TOKEN } from '../support/config-folder.js';
import { projectDir } from '../support/project.js';
import { promtool } from '../support/promtool.js';
import { createTempDir } from '../support/temp-dir.js';
import { readProjectFile } from './sources.js';

function schema(name: 'gateway' | 'agent'): SchemaNode {
  return JSON.parse(schemaText(name));
}

/** Every node of a schema. */
function nodes(node: SchemaNode): readonly SchemaNode[] {
  const extra = typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
  const within = [...Object.values(node.properties ?? {}), ...Object.values(node.$defs ?? {}), ...(node.items === undefined ? [] : [node.items]), ...extra];
  return [node, ...within.flatMap(nodes)];
}

describe('docs/configuration.md', () => {
  const committed = readProjectFile('docs/configuration.md');

  it('says what the schemas say; if not, run "npm run reference"', () => {
    expect(committed).toBe(configurationReference({ gateway: schema('gateway'), agent: schema('agent') }));
  });

  it.each(['gateway', 'agent'] as const)('describes every key of the file of the %s', (name) => {
    const keys = nodes(schema(name)).flatMap(({ properties = {} }) => Object.keys(properties));
    expect(keys.filter((key) => !new RegExp(`^\\| \`${key}\` \\| [^|]`, 'm').test(committed))).toEqual([]);
    expect(committed).not.toMatch(/undefined|\[object|^\| `.*\|  \|$/m);
  });

  it('mentions no environment variable that nobody reads', () => {
    const reader = readProjectFile('src/config/env.ts');
    const mentioned = new Set(committed.match(/\b(?:SCRAPEWAY_\w+|[A-Z]+_BIN)\b/g));
    expect([...mentioned].filter((name) => !reader.includes(`'${name}'`))).toEqual([]);
    expect(mentioned.size).toBeGreaterThan(0);
  });
});

describe.each(['gateway', 'agent'] as const)('the schema of the %s', (name) => {
  it('knows no map that takes unknown keys', () => {
    expect(nodes(schema(name)).filter(({ type, additionalProperties }) => type === 'object' && additionalProperties === undefined)).toEqual([]);
  });

  it('has a title that can follow "must be" wherever it has a pattern or alternatives', () => {
    const titles = nodes(schema(name)).flatMap((node) => (node.pattern === undefined && node.anyOf === undefined ? [] : [node.title ?? '']));
    expect(titles.filter((title) => !/^(?:an? |\d|text |IP:|HOST:|`)/.test(title))).toEqual([]);
  });
});

describe('examples/', () => {
  it.each(['gateway', 'agent'] as const)('%s.yaml passes its schema', (name) => {
    const source = parseYaml(readProjectFile(`examples/${name}.yaml`));
    expect(source.ok && createSchemaCheck(name)(source.value.value)).toEqual([]);
  });

  it.each([
    ['gateway', loadGatewayConfig],
    ['agent', loadAgentConfig],
  ] as const)('%s.yaml has no fault once its certificates and secrets are there', async (name, load) => {
    await using dir = await createTempDir();
    for (const folder of ['pki', 'secrets']) await mkdir(dir.join(folder));
    const pki = await createTestPki(dir.join('pki'));
    await pki.agent('berlin');
    await copyFile(pki.serverCaFile, dir.join('secrets/internal-ca.crt'));
    await writeFile(dir.join('secrets/shop.bcrypt'), BCRYPT_HASH);
    for (const token of ['shop', 'checkout']) await writeFile(dir.join(`secrets/${token}.token`), TOKEN);
    await copyFile(path.join(projectDir, 'examples', `${name}.yaml`), dir.join('example.yaml'));
    const { result } = await load(dir.join('example.yaml'), NO_ENVIRONMENT);
    expect(result.ok ? [] : result.error).toEqual([]);
  });

  it.each(['gateway', 'agent'])('%s.yaml tells editors its schema', (name) => {
    expect(readProjectFile(`examples/${name}.yaml`)).toMatch(new RegExp(`^# yaml-language-server: \\$schema=\\.\\./schema/${name}\\.schema\\.json\n`));
  });

  it('prometheus.yml is one that Prometheus takes', async () => {
    const complaints = await promtool(['check', 'config', '--syntax-only', path.join(projectDir, 'examples/prometheus.yml')]);
    expect(complaints).toBe('');
  });
});

it('package.json ships schemas and examples', () => {
  const { files }: { readonly files: readonly string[] } = JSON.parse(readProjectFile('package.json'));
  expect(files).toEqual(expect.arrayContaining(['schema', 'examples']));
});
