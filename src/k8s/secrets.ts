import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { textAt, textsAt } from '../kube/values.js';

/** What is kept of a Secret: its data as it comes, decoded when somebody refers to it. */
export interface SecretData {
  readonly data: Readonly<Record<string, string>>;
}

/** Not wanted: Helm's own releases, and tokens of service accounts. They are large, many, or none of our business. */
const FOREIGN_TYPES = new Set(['helm.sh/release.v1', 'kubernetes.io/service-account-token', 'bootstrap.kubernetes.io/token']);

/** For `listWatch`. */
export function keepSecret(object: unknown, before: SecretData | undefined): SecretData | undefined {
  if (FOREIGN_TYPES.has(textAt(object, 'type') ?? '')) return undefined;
  const data = textsAt(object, 'data');
  return before !== undefined && JSON.stringify(before.data) === JSON.stringify(data) ? before : { data };
}

/** The text at a key of a Secret, or of what there is instead; in the error why there is none, without any part of it. */
export function secretText(secret: SecretData | string, key: string): Result<string, string> {
  if (typeof secret === 'string') return err(secret);
  const encoded = Object.hasOwn(secret.data, key) ? secret.data[key] : undefined;
  if (encoded === undefined) return err('has no such key');
  return ok(Buffer.from(encoded, 'base64').toString('utf8'));
}
