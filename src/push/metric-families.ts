import { DELIMITED, delimitedAt, FieldCursor } from '../lib/wire.js';

/**
 * A body of delimited io.prometheus.client.MetricFamily, looked at for the one thing that matters: no metric has the same label twice.
 * A Pushgateway overwrites the first label of a name with the grouping key's and would keep the second.
 */
export function metricFamiliesFault(bytes: Buffer): string | undefined {
  const family = new FieldCursor(bytes);
  const metric = new FieldCursor(bytes);
  const pair = new FieldCursor(bytes);
  for (let at = 0; at < bytes.length; ) {
    const head = delimitedAt(bytes, at);
    if (head === undefined || head.start + head.length > bytes.length) return NOT_ONE;
    at = head.start + head.length;
    family.enter(head.start, at);
    while (family.next()) {
      if (family.field !== 4) continue;
      const fault = family.wireType === DELIMITED ? labelsFault(metric.enter(family.start, family.end), pair) : NOT_ONE;
      if (fault !== undefined) return fault;
    }
    if (family.failed) return NOT_ONE;
  }
  return undefined;
}

const NOT_ONE = 'not delimited metric families';

function labelsFault(metric: FieldCursor, pair: FieldCursor): string | undefined {
  const seen = new Set<string>();
  while (metric.next()) {
    if (metric.field !== 1) continue;
    if (metric.wireType !== DELIMITED) return NOT_ONE;
    let name = '';
    pair.enter(metric.start, metric.end);
    while (pair.next()) if (pair.field === 1 && pair.wireType === DELIMITED) name = pair.bytes.toString('latin1', pair.start, pair.end);
    if (pair.failed) return NOT_ONE;
    if (seen.has(name)) return 'a metric with the same label twice';
    seen.add(name);
  }
  return metric.failed ? NOT_ONE : undefined;
}
