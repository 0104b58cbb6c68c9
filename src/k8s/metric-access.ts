import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';

/**
 * A MetricAccess as the API server hands it out → what we use of it. Its schema has been checked there, but by whichever version of
 * the CRD is installed, so nothing is taken for granted here.
 */

export interface ObjectRef {
  readonly namespace: string;
  readonly name: string;
}

export interface MetricAccess {
  readonly object: ObjectRef;
  /** Goes into the conditions, so that a reader sees which version they are about. */
  readonly generation: number;
  /** Access patterns (facts/metricaccess.md §3). */
  readonly metrics: readonly string[];
  /** ANDed equality on every series. */
  readonly labelSelectors: Readonly<Record<string, string>>;
  /** Exported is only what has the object's own namespace in its label. */
  readonly metricIsolation: boolean;
  /** `spec.remoteWrite` where it is enabled, as it stands there. */
  readonly remoteWrite: object | undefined;
}

/** What is needed to say something about an object, whatever else is wrong with it. */
export interface Identified {
  readonly object: ObjectRef;
  readonly generation: number;
}

/** Undefined for what is no namespaced object at all. */
export function identify(object: unknown): Identified | undefined {
  const metadata = fieldsOf(fieldsOf(object)?.['metadata']);
  const { namespace, name, generation } = metadata ?? {};
  if (typeof namespace !== 'string' || typeof name !== 'string') return undefined;
  return { object: { namespace, name }, generation: typeof generation === 'number' ? generation : 0 };
}

/** All faults at once; places are those of the object: `spec.metrics[2]`. */
export function readMetricAccess(object: unknown, { object: ref, generation }: Identified): Result<MetricAccess> {
  const faults: Fault[] = [];
  const spec = fieldsOf(fieldsOf(object)?.['spec']);
  if (spec === undefined) return err([{ place: 'spec', message: 'is missing' }]);
  const metrics = list(spec['metrics']);
  if (metrics === undefined) faults.push({ place: 'spec.metrics', message: 'must be a list of patterns' });
  const labelSelectors = stringsOf(spec['labelSelectors'] ?? {});
  // Fail closed: without its labels the object would allow more than its author wrote.
  if (labelSelectors === undefined) faults.push({ place: 'spec.labelSelectors', message: 'must be a map of texts' });
  if (metrics === undefined || labelSelectors === undefined) return err(faults);
  const remoteWrite = fieldsOf(spec['remoteWrite']);
  return ok({ object: ref, generation, metrics, labelSelectors, metricIsolation: spec['metricIsolation'] === true, remoteWrite: remoteWrite?.['enabled'] === true ? remoteWrite : undefined });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined;
}

function list(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;
}

function stringsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  const entries = Object.entries(fieldsOf(value) ?? { none: undefined });
  const strings = entries.flatMap(([key, each]) => (typeof each === 'string' ? [[key, each] as const] : []));
  return strings.length === entries.length ? Object.fromEntries(strings) : undefined;
}
