import { TOKEN_METADATA } from '../model/token-metadata.js';
import { readMap, readStruct } from './struct.js';
import type { Struct } from './struct.js';

/**
 * What Envoy found out about a token of an issuer, before it asked us (`xds/resources/jwt-authn.ts`). It comes as dynamic metadata,
 * which only filters write; nothing that a client sends gets there.
 */
export interface TokenFindings {
  /** Of the one token that was verified. */
  readonly payload: Struct | undefined;
  /** By the issuer's name: why the token is not a good one of this issuer. */
  readonly failures: ReadonlyMap<string, TokenFailure>;
}

export interface TokenFailure {
  /** `google::jwt_verify::Status`. */
  readonly code: number;
  readonly message: string;
}

/** `bytes`: envoy.config.core.v3.Metadata. Undefined: not one. */
export function readFindings(bytes: Buffer): TokenFindings | undefined {
  const namespaces = readMap(bytes, 1, readStruct);
  if (namespaces === undefined) return undefined;
  const found: Struct = namespaces.get(TOKEN_METADATA.namespace) ?? new Map();
  const payload = found.get(TOKEN_METADATA.payload);
  const failures = new Map<string, TokenFailure>();
  for (const [key, value] of found) {
    if (!key.startsWith(TOKEN_METADATA.failed) || !(value instanceof Map)) continue;
    failures.set(key.slice(TOKEN_METADATA.failed.length), { code: Number(value.get('code')), message: String(value.get('message')) });
  }
  return { payload: payload instanceof Map ? payload : undefined, failures };
}
