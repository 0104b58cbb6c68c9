import { isUtf8 } from 'node:buffer';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * Pushgateway's grouping key, `job/<job>{/<label>/<value>}`. It is understood here and written anew with every value in base64, so that the
 * Pushgateway cannot understand it in another way: it decodes `%2F` before it looks for slashes, and takes the last of two labels of
 * one name.
 */

/** In the order of the path; `job` is the first. */
export type GroupingKey = ReadonlyMap<string, string>;

const MAX_LABELS = 32;
const MAX_VALUE_BYTES = 1024;
const BASE64 = '@base64';

/** `segments`: of the path behind `/metrics/`, still encoded. The error is one sentence. */
export function readGroupingKey(segments: readonly string[]): Result<GroupingKey, string> {
  const key = new Map<string, string>();
  if (segments.length % 2 !== 0) return err('a label without a value in the path');
  if (segments.length > MAX_LABELS * 2) return err(`more than ${MAX_LABELS} labels in the path`);
  for (let index = 0; index < segments.length; index += 2) {
    const encodedName = decodeSegment(segments[index] ?? '');
    if (encodedName === undefined) return err('a label name that cannot be decoded in the path');
    const isBase64 = encodedName.endsWith(BASE64);
    const name = isBase64 ? encodedName.slice(0, -BASE64.length) : encodedName;
    const value = isBase64 ? decodeBase64(segments[index + 1] ?? '') : decodeSegment(segments[index + 1] ?? '');
    const fault = labelFault(name, value, key, index);
    if (fault !== undefined || value === undefined) return err(fault ?? '');
    key.set(name, value);
  }
  return key.size === 0 ? err('a path without a job') : ok(key);
}

function labelFault(name: string, value: string | undefined, key: GroupingKey, index: number): string | undefined {
  if (index === 0 && name !== 'job') return 'a path that does not begin with the job';
  // `U__` is how a Pushgateway writes names of other characters, `U__tenant` among them
  if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) || name.startsWith('__') || name.startsWith('U__')) return `${JSON.stringify(name.slice(0, 100))}, which cannot be a label of a grouping key`;
  if (key.has(name)) return `the label ${name} twice`;
  if (value === undefined) return `a value of ${name} that cannot be decoded, or has a slash and is not base64`;
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) return `a value of ${name} longer than ${MAX_VALUE_BYTES} bytes`;
  if (name === 'job' && value === '') return 'an empty job';
  return undefined;
}

/** Percent-decoded; a slash that shows up by that would be one of the path's to the Pushgateway. */
function decodeSegment(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment);
    return text === '' || text.includes('/') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** URL-safe base64, padded or not; `=` is the empty value. */
function decodeBase64(segment: string): string | undefined {
  const encoded = decodeSegment(segment)?.replace(/=+$/, '');
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64url');
  return bytes.toString('base64url') === encoded && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The key's path behind `/metrics/`. */
export function writeGroupingKey(key: GroupingKey): string {
  return [...key].map(([name, value]) => `${name}${BASE64}/${value === '' ? '=' : Buffer.from(value).toString('base64url')}`).join('/');
}

/** The key with the tenant in it; the error if it says that it is another's. */
export function withTenant(key: GroupingKey, label: string, tenant: string): Result<GroupingKey, string> {
  const claimed = key.get(label);
  if (claimed !== undefined && claimed !== tenant) return err(`another value of the label ${label} than its sender may write`);
  return ok(new Map([...key, [label, tenant]]));
}
