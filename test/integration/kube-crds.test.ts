import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { at, chartDir, parseManifests } from '../support/helm.js';
import { projectDir } from '../support/project.js';

/**
 * Our own kinds say what the gateway's file says (schema/gateway.schema.json): a key that is new there is missed here.
 */

/** Fields of the file that name a file → what stands for them in an object. */
const BY_REFERENCE: Readonly<Record<string, string>> = { passwordHashFile: 'passwordHashSecret', tokenFile: 'tokenSecret', passwordFile: 'passwordSecret', caFile: 'caSecret', bearerTokenFile: 'bearerTokenSecret' };
/** A secret has no place in an object that everybody may read. */
const NOT_IN_OBJECTS = new Set(['passwordHash']);
/** What only the operator's own file gives (docs/kubernetes.md). */
const FILE_ONLY = ['queryDryRun'];

const schema: unknown = JSON.parse(await readFile(path.join(projectDir, 'schema/gateway.schema.json'), 'utf8'));

/** `credentials[].basic.user` and so on; what a reference to a secret consists of is left out. */
function fieldsOf(node: unknown, place: string): readonly string[] {
  const reference = at(node, '$ref');
  const target = typeof reference === 'string' ? at(schema, '$defs', reference.split('/').at(-1) ?? '') : node;
  const items = at(target, 'items');
  if (items !== undefined) return fieldsOf(items, `${place}[]`);
  return Object.entries(at(target, 'properties') ?? {}).flatMap(([name, inner]) => {
    const here = place === '' ? name : `${place}.${name}`;
    return name.endsWith('Secret') ? [here] : [here, ...fieldsOf(inner, here)];
  });
}

describe.each([
  ['tenants', []],
  ['agents', []],
  ['backends', []],
] as const)('the kind of %s', (plural, ownFields) => {
  it('has every field of the file, with secrets by reference, and no other', async () => {
    const [crd] = parseManifests(await readFile(path.join(chartDir, `crds/scrapeway.io_${plural}.yaml`), 'utf8'));
    const spec = at(crd, 'spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'spec');
    const inFile = fieldsOf(at(schema, 'properties', plural, 'items'), '').flatMap((field) => {
      const names = field.split('.');
      const last = names.at(-1) ?? '';
      if (field === 'name' || NOT_IN_OBJECTS.has(last) || FILE_ONLY.some((own) => field === own || field.startsWith(`${own}.`) || field.startsWith(`${own}[`))) return [];
      return [[...names.slice(0, -1), BY_REFERENCE[last] ?? last].join('.')];
    });
    const inObject = fieldsOf(spec, '').filter((field) => !ownFields.some((own) => field === own || field.startsWith(`${own}.`)));
    expect(inObject.toSorted()).toEqual(inFile.toSorted());
  });
});
