import { isLabelName } from './names.js';

/**
 * Which labels a target may have. The same rule where an agent's file is read and where the gateway reads what an agent
 * registers: what the first accepts, the second accepts.
 */

/** Labels that the gateway sets itself. Prometheus takes its own `job` where a target brings none, and the target's where it does. */
const RESERVED_LABELS: ReadonlySet<string> = new Set(['instance', 'agent', 'target']);

export const MAX_LABELS = 64;
const MAX_LABEL_NAME_BYTES = 128;
const MAX_LABEL_VALUE_BYTES = 1024;

/** What is wrong with one label, or undefined. `value` is outside input. */
export function labelFault(name: string, value: unknown): string | undefined {
  if (!isLabelName(name) || Buffer.byteLength(name) > MAX_LABEL_NAME_BYTES) return 'is not a label name of Prometheus';
  if (name.startsWith('__')) return 'starts with "__", which steers Prometheus itself';
  if (RESERVED_LABELS.has(name)) return 'is set by the gateway';
  if (typeof value !== 'string') return 'must have a string as its value; quote numbers';
  if (value.length > MAX_LABEL_VALUE_BYTES || Buffer.byteLength(value) > MAX_LABEL_VALUE_BYTES) return `has a value longer than ${MAX_LABEL_VALUE_BYTES} bytes`;
  return undefined;
}
