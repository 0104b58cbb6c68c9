import { describe, expect, it } from '@jest/globals';
import { metricAccessStatus } from './status.js';
import type { Verdict } from './translate.js';

const GOOD: Verdict = { object: { namespace: 'team-a', name: 'one' }, generation: 3, inForce: ['up'], refused: [], warnings: [], wantsExport: false };
const NOON = Date.UTC(2026, 0, 1, 12);

describe('the status of a MetricAccess', () => {
  it('says which patterns are in force, and for which version of the object', () => {
    expect(metricAccessStatus(GOOD, undefined, NOON)).toEqual({
      conditions: [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all patterns are in force', lastTransitionTime: '2026-01-01T12:00:00Z', observedGeneration: 3 },
        { type: 'Warning', status: 'False', reason: 'None', message: '', lastTransitionTime: '2026-01-01T12:00:00Z', observedGeneration: 3 },
      ],
      validatedMetrics: ['up'],
      lastUpdated: '2026-01-01T12:00:00Z',
    });
  });

  it('is not written again when it says the same', () => {
    const status = metricAccessStatus(GOOD, undefined, NOON);
    expect(metricAccessStatus(GOOD, status, NOON + 60_000)).toBeUndefined();
  });

  it('keeps the time of a condition that did not change, and not of one that did', () => {
    const before = metricAccessStatus(GOOD, undefined, NOON);
    const worse: Verdict = { ...GOOD, generation: 4, refused: [{ place: 'spec.metrics[1]', message: '*_total: missing argument to repetition operator' }] };
    const after = metricAccessStatus(worse, before, NOON + 60_000);
    expect(after?.conditions.map(({ type, status, reason, lastTransitionTime }) => [type, status, reason, lastTransitionTime])).toEqual([
      ['Accepted', 'False', 'PatternsRefused', '2026-01-01T12:01:00Z'],
      ['Warning', 'False', 'None', '2026-01-01T12:00:00Z'],
    ]);
    expect(after?.conditions[0]?.message).toBe('in force: 1, refused: 1 (spec.metrics[1]: *_total: missing argument to repetition operator)');
  });

  it('says so when nothing is allowed, and bounds what it says', () => {
    const refused = Array.from({ length: 1_000 }, (_each, index) => ({ place: `spec.metrics[${index}]`, message: 'is refused' }));
    const [accepted] = metricAccessStatus({ ...GOOD, inForce: [], refused }, undefined, NOON)?.conditions ?? [];
    expect(accepted?.reason).toBe('NothingAllowed');
    expect(accepted?.message.length).toBeLessThan(2_100);
  });

  it('says that an export that is wanted does not happen', () => {
    const status = metricAccessStatus({ ...GOOD, wantsExport: true }, undefined, NOON);
    expect(status?.conditions[2]).toMatchObject({ type: 'RemoteWrite', status: 'False', reason: 'NotSupported' });
  });

  it.each([undefined, null, 'x', { conditions: 'x' }, { conditions: [null, 7] }])('does not mind what stands there: %j', (previous) => {
    expect(metricAccessStatus(GOOD, previous, NOON)?.validatedMetrics).toEqual(['up']);
  });
});
