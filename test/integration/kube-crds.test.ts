import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { OWN_KINDS } from '../../src/k8s/own-objects.js';
import { at, chartDir, listAt, parseManifests } from '../support/helm.js';
import { projectDir } from '../support/project.js';

/**
 * Our own kinds say what the gateway's file says (schema/gateway.schema.json): a key that is new there is missed here.
 */

/** A secret has no place in an object that everybody may read. */
const NOT_IN_OBJECTS = new Set(['passwordHash']);
/** What only the operator's own file gives (docs/kubernetes.md). */
const FILE_ONLY = ['queryDryRun', 'sigv4.role'];

const schema: unknown = JSON.parse(await readFile(path.join(projectDir, 'schema/gateway.schema.json'), 'utf8'));

/** `credentials[].basic.user` and so on; what a reference to a secret consists of is left out. */
function fieldsOf(node: unknown, place: string): readonly string[] {
  const reference = at(node, '$ref');
  const target = typeof reference === 'string' ? at(schema, '$defs', reference.split('/').at(-1) ?? '') : node;
  const items = at(target, 'items');
  if (items !== undefined) return fieldsOf(items, `${place}[]`);
  return Object.entries(at(target, 'properties') ?? {}).flatMap(([name, inner]) => {
    const here = place === '' ? name : `${place}.${name}`;
    return /Secrets?$/.test(name) ? [here] : [here, ...fieldsOf(inner, here)];
  });
}

/** `tokenFile` → `tokenSecret`, `crlFiles` → `crlSecrets`: what names a file there names a Secret here. */
function byReference(field: string): string {
  return field.replace(/File(s?)$/, 'Secret$1');
}

describe.each(Object.entries(OWN_KINDS))('the kind of %s', (key, { kind, plural }) => {
  it('has every field of the file, with secrets by reference, and no other', async () => {
    const spec = at(await crdOf(plural), 'spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'spec');
    const node = at(schema, 'properties', key);
    const inFile = fieldsOf(at(node, 'items') ?? node, '').flatMap((field) => {
      const last = field.split('.').at(-1) ?? '';
      if (field === 'name' || NOT_IN_OBJECTS.has(last) || FILE_ONLY.some((own) => field === own || field.startsWith(`${own}.`) || field.startsWith(`${own}[`))) return [];
      return [byReference(field)];
    });
    expect(fieldsOf(spec, '').toSorted()).toEqual(inFile.toSorted());
  });

  it('has what kubectl shows: a short name of its own, the category, columns, and a status', async () => {
    const crd = await crdOf(plural);
    expect(at(crd, 'spec', 'names')).toMatchObject({ kind, plural, shortNames: [expect.stringMatching(/^sw/)], categories: ['scrapeway'] });
    const columns = listAt(crd, 'spec', 'versions', 0, 'additionalPrinterColumns').map((column) => at(column, 'name'));
    expect(columns).toEqual(expect.arrayContaining(['Accepted', 'Reason', 'Age']));
    expect(at(crd, 'spec', 'versions', 0, 'subresources', 'status')).toEqual({});
  });
});

describe('docs/kubernetes.md', () => {
  it('says of every key of the file which kind or value says the same', async () => {
    const document = await readFile(path.join(projectDir, 'docs/kubernetes.md'), 'utf8');
    const [, section = ''] = document.split('### What the file says, and what objects say');
    const rows = [...(section.split('\n###')[0] ?? '').matchAll(/^\| `(\w+)` \| (.+?) \|/gm)];
    expect(rows.map(([, key]) => key).toSorted()).toEqual(Object.keys(Object(at(schema, 'properties'))).toSorted());
    for (const [key, { kind }] of Object.entries(OWN_KINDS)) expect(rows.find(([, each]) => each === key)?.[2]).toContain(`\`${kind}\``);
  });
});

async function crdOf(plural: string): Promise<unknown> {
  const [crd] = parseManifests(await readFile(path.join(chartDir, `crds/scrapeway.io_${plural}.yaml`), 'utf8'));
  return crd;
}
