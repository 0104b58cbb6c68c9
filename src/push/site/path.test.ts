import { describe, expect, it } from '@jest/globals';
import { pushTarget } from '../../../test/support/push-rig.js';
import { doorPath } from './path.js';

const batch = pushTarget({ name: 'batch', kind: 'pushgateway', url: 'http://a' });
const other = pushTarget({ name: 'other', kind: 'pushgateway', url: 'http://b' });
const main = pushTarget({ name: 'main', kind: 'remote_write', url: 'http://c' });

describe('the path of a push at a site', () => {
  it.each([
    ['is the door’s own', '/push/batch/metrics/job/a', [batch, main], '/push/batch/metrics/job/a'],
    ['is the door’s own, whatever it names', '/push/nothing/x', [batch], '/push/nothing/x'],
    ['is a Pushgateway’s, where the tenant has one', '/metrics/job/a/x/y', [batch, main], '/push/batch/metrics/job/a/x/y'],
    ['is a Pushgateway’s, without its query', '/metrics/job/a?x=/push/main', [batch, main], '/push/batch/metrics/job/a'],
    ['is remote write’s, where the tenant has one', '/api/v1/write', [batch, other, main], '/push/main/api/v1/write'],
    ['stays encoded as it came', '/metrics/job/a%2Fb', [batch], '/push/batch/metrics/job/a%2Fb'],
    ['is nobody’s where two could be meant', '/metrics/job/a', [batch, other], undefined],
    ['is nobody’s where none could be meant', '/metrics/job/a', [main], undefined],
    ['is nobody’s for the page of a Pushgateway', '/metrics', [batch], undefined],
    ['is nobody’s for its administration', '/api/v1/admin/wipe', [batch, main], undefined],
    ['is nobody’s for what only looks alike', '/api/v1/write/x', [main], undefined],
    ['is nobody’s in absolute form', 'http://batch/metrics/job/a', [batch], undefined],
  ])('%s: %s', (_what, url, targets, path) => {
    expect(doorPath(url, targets)).toBe(path);
  });
});
