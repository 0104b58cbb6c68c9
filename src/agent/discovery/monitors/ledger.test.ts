import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../lib/logger.js';
import type { DiscoveryJob } from '../../../model/agent-settings.js';
import { createLedger } from './ledger.js';
import type { Found } from './ledger.js';

const job = (name: string): DiscoveryJob => ({
  name, sources: [], scheme: 'http', metricsPath: '/', params: {}, relabelConfigs: [], maxTargets: 1, paths: [],
  fetch: { timeoutMs: undefined, maxBodyBytes: undefined, headers: {}, tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false } },
});
const found = (name: string, state: 'good' | 'refused' | 'pending', { uid = name, created = '2026-01-01T00:00:00Z' } = {}): Found => {
  const object = { namespace: 'shop', name, uid, created, spec: {} };
  if (state === 'good') return { kind: 'PodMonitor', object, translation: { kind: 'jobs', jobs: [job(name)] } };
  return { kind: 'PodMonitor', object, translation: state === 'pending' ? { kind: 'pending' } : { kind: 'refused', faults: ['why'] } };
};
const ledgerOf = (maxObjects = 10) => createLedger({ name: 'cluster', maxObjects, logger: silentLogger });
const names = (jobs: readonly DiscoveryJob[]): readonly string[] => jobs.map(({ name }) => name);

describe('what is in force of monitors', () => {
  it('are the jobs of good objects, the older first', () => {
    const { jobs, counts, isPending } = ledgerOf().judge([found('b', 'good'), found('young', 'good', { created: '2026-02-01T00:00:00Z' }), found('a', 'good'), found('bad', 'refused')]);
    expect([names(jobs), counts.PodMonitor, isPending]).toEqual([['a', 'b', 'young'], { accepted: 3, refused: 1 }, false]);
  });

  it.each(['refused', 'pending'] as const)('is what an object said before, while it is %s', (state) => {
    const ledger = ledgerOf();
    ledger.judge([found('a', 'good')]);
    expect(names(ledger.judge([found('a', state)]).jobs)).toEqual(['a']);
    expect(names(ledger.judge([]).jobs)).toEqual([]);
    expect(names(ledger.judge([found('a', state)]).jobs)).toEqual([]);
  });

  it('is nothing of an object that was made anew', () => {
    const ledger = ledgerOf();
    ledger.judge([found('a', 'good', { uid: 'one' })]);
    expect(names(ledger.judge([found('a', 'refused', { uid: 'two' })]).jobs)).toEqual([]);
  });

  it('are the oldest, where there are too many', () => {
    const { jobs, counts } = ledgerOf(2).judge([found('young', 'good', { created: '2026-02-01T00:00:00Z' }), found('b', 'good'), found('a', 'good')]);
    expect([names(jobs), counts.PodMonitor]).toEqual([['a', 'b'], { accepted: 2, refused: 1 }]);
  });
});
