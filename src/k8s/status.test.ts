import { describe, expect, it } from '@jest/globals';
import { metricAccessStatus } from './status.js';
import type { Verdict } from './translate.js';

const GOOD: Verdict = { object: { namespace: 'team-a', name: 'one' }, generation: 3, inForce: ['up'], refused: [], warnings: [], exported: undefined };
const NOON = Date.UTC(2026, 0, 1, 12);

describe('the status of a MetricAccess', () => {
  it('says which patterns are in force, and for which version of the object', () => {
    expect(metricAccessStatus(GOOD, { previous: undefined, nowMs: NOON })).toEqual({
      conditions: [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'all patterns are in force', lastTransitionTime: '2026-01-01T12:00:00Z', observedGeneration: 3 },
        { type: 'Warning', status: 'False', reason: 'None', message: '', lastTransitionTime: '2026-01-01T12:00:00Z', observedGeneration: 3 },
      ],
      validatedMetrics: ['up'],
      lastUpdated: '2026-01-01T12:00:00Z',
    });
  });

  it('is not written again when it says the same', () => {
    const status = metricAccessStatus(GOOD, { previous: undefined, nowMs: NOON });
    expect(metricAccessStatus(GOOD, { previous: status, nowMs: NOON + 60_000 })).toBeUndefined();
  });

  it('keeps the time of a condition that did not change, and not of one that did', () => {
    const before = metricAccessStatus(GOOD, { previous: undefined, nowMs: NOON });
    const worse: Verdict = { ...GOOD, generation: 4, refused: [{ place: 'spec.metrics[1]', message: '*_total: missing argument to repetition operator' }] };
    const after = metricAccessStatus(worse, { previous: before, nowMs: NOON + 60_000 });
    expect(after?.conditions.map(({ type, status, reason, lastTransitionTime }) => [type, status, reason, lastTransitionTime])).toEqual([
      ['Accepted', 'False', 'PatternsRefused', '2026-01-01T12:01:00Z'],
      ['Warning', 'False', 'None', '2026-01-01T12:00:00Z'],
    ]);
    expect(after?.conditions[0]?.message).toBe('in force: 1, refused: 1 (spec.metrics[1]: *_total: missing argument to repetition operator)');
  });

  it('says so when nothing is allowed, and bounds what it says', () => {
    const refused = Array.from({ length: 1_000 }, (_each, index) => ({ place: `spec.metrics[${index}]`, message: 'is refused' }));
    const [accepted] = metricAccessStatus({ ...GOOD, inForce: [], refused }, { previous: undefined, nowMs: NOON })?.conditions ?? [];
    expect(accepted?.reason).toBe('NothingAllowed');
    expect(accepted?.message.length).toBeLessThan(2_100);
  });

  it.each([
    ['is refused', { active: false, reason: 'NotAllowed', message: 'no admin' }, undefined, { status: 'False', reason: 'NotAllowed', message: 'no admin' }, { active: false, lastCollection: null, metricsCollected: null, lastError: 'no admin' }],
    ['has not begun', { active: true, tenant: 'a', name: 'x' }, undefined, { status: 'False', reason: 'Pending' }, { active: false, lastError: 'accepted; nothing has arrived yet' }],
    ['fails', { active: true, tenant: 'a', name: 'x' }, { state: { kind: 'failing', why: 'source_refused' } }, { status: 'False', reason: 'Failing', message: 'source_refused' }, { active: false, lastCollection: '2026-01-01T12:00:00Z', metricsCollected: 7, lastError: 'source_refused' }],
    ['runs', { active: true, tenant: 'a', name: 'x' }, { state: { kind: 'running' } }, { status: 'True', reason: 'Exporting' }, { active: true, lastCollection: '2026-01-01T12:00:00Z', metricsCollected: 7, lastError: null }],
  ] as const)('says of an export that it %s', (_what, exported, report, condition, remoteWrite) => {
    const status = metricAccessStatus({ ...GOOD, exported }, { previous: undefined, nowMs: NOON, report: report && { tenant: 'a', name: 'x', urls: [], lastCollectionMs: NOON, deliveredMs: undefined, series: 7, ...report } });
    expect(status?.conditions[2]).toMatchObject({ type: 'RemoteWrite', ...condition });
    expect(status?.remoteWrite).toMatchObject(remoteWrite);
  });

  it('says when a running export has collected last, but not each time', () => {
    const report = (lastCollectionMs: number) => ({ tenant: 'a', name: 'x', urls: [], state: { kind: 'running' }, lastCollectionMs, deliveredMs: undefined, series: 7 }) as const;
    const verdict: Verdict = { ...GOOD, exported: { active: true, tenant: 'a', name: 'x' } };
    const before = metricAccessStatus(verdict, { previous: undefined, nowMs: NOON, report: report(NOON) });
    expect(metricAccessStatus(verdict, { previous: before, nowMs: NOON + 30_000, report: report(NOON + 30_000) })).toBeUndefined();
    expect(metricAccessStatus(verdict, { previous: before, nowMs: NOON + 400_000, report: report(NOON + 400_000) })?.remoteWrite?.lastCollection).toBe('2026-01-01T12:06:40Z');
  });

  it.each([undefined, null, 'x', { conditions: 'x' }, { conditions: [null, 7] }])('does not mind what stands there: %j', (previous) => {
    expect(metricAccessStatus(GOOD, { previous, nowMs: NOON })?.validatedMetrics).toEqual(['up']);
  });
});
