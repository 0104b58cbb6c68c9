import { describe, expect, it } from '@jest/globals';
import { jobsOf } from '../../test/support/export-rig.js';
import type { ExportParts } from '../../test/support/export-rig.js';
import { packLabels, shapeOf, unpackLabels } from './shape.js';

const LABELS = { __name__: 'up', job: 'app', zone: '1' };

function shaped(parts: Pick<ExportParts, 'spec' | 'destination'>, labels: Readonly<Record<string, string>> = LABELS): Readonly<Record<string, string>> | undefined {
  const [job] = jobsOf({ source: 'http://source', urls: ['http://receiver'], ...parts });
  if (job === undefined) throw new Error('no job');
  const packed = shapeOf(job)(packLabels(Object.entries(labels).map(([name, value]) => ({ name, value }))));
  return packed === undefined ? undefined : Object.fromEntries(unpackLabels(packed).map(({ name, value }) => [name, value]));
}

describe('the labels of an exported series', () => {
  it.each<readonly [string, Pick<ExportParts, 'spec' | 'destination'>, Readonly<Record<string, string>> | undefined]>([
    ['are its own', {}, LABELS],
    ['are overwritten by extra labels', { spec: { extraLabels: { zone: 'x', more: 'y' } } }, { ...LABELS, zone: 'x', more: 'y' }],
    ['win over extra labels where that is wanted', { spec: { extraLabels: { zone: 'x', more: 'y' }, honorLabels: true } }, { ...LABELS, more: 'y' }],
    ['are relabelled first', { spec: { relabel: [{ regex: 'zone', action: 'labeldrop' }], extraLabels: { zone: 'x' }, honorLabels: true } }, { ...LABELS, zone: 'x' }],
    ['lose what a rule made for itself', { spec: { relabel: [{ target_label: '__tmp', replacement: 'a' }] } }, LABELS],
    ['are none where a rule drops the series', { spec: { relabel: [{ source_labels: ['zone'], regex: '1', action: 'drop' }] } }, undefined],
    ['are none where no label is left', { spec: { relabel: [{ regex: '.*', action: 'labeldrop' }] }, destination: { tenantLabel: 'tenant' } }, undefined],
    ['have the tenant, whatever the rules say', { spec: { relabel: [{ target_label: 'tenant', replacement: 'other' }], honorLabels: true }, destination: { tenantLabel: 'tenant' } }, { ...LABELS, tenant: 'team-a' }],
  ])('%s', (_, parts, expected) => {
    expect(shaped(parts)).toEqual(expected);
  });

  it('have the tenant also where the series came with another one', () => {
    expect(shaped({ destination: { tenantLabel: 'tenant' }, spec: { honorLabels: true } }, { ...LABELS, tenant: 'team-b' })).toMatchObject({ tenant: 'team-a' });
  });
});
