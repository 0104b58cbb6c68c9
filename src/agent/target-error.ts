/**
 * What went wrong at the target, as a reason code: the only place that knows the error codes of Node, OpenSSL and undici.
 */
import { errnoOf } from '../lib/errno.js';
import type { Reason } from '../model/reasons.js';

/** Raised by our own resolver when a name led to an address that no target may have. */
export const DENIED_ADDRESS = 'ERR_SCRAPEWAY_DENIED_ADDRESS';

const BY_CODE: Readonly<Record<string, Reason>> = {
  ENOTFOUND: 'target_dns',
  EAI_AGAIN: 'target_dns',
  EAI_FAIL: 'target_dns',
  ENODATA: 'target_dns',
  ESERVFAIL: 'target_dns',
  ECONNREFUSED: 'target_refused',
  ECONNRESET: 'target_reset',
  EPIPE: 'target_reset',
  ECONNABORTED: 'target_reset',
  UND_ERR_SOCKET: 'target_reset',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'target_reset',
  EHOSTUNREACH: 'target_unreachable',
  ENETUNREACH: 'target_unreachable',
  EHOSTDOWN: 'target_unreachable',
  EADDRNOTAVAIL: 'target_unreachable',
  ETIMEDOUT: 'target_timeout',
  UND_ERR_CONNECT_TIMEOUT: 'target_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'target_timeout',
  UND_ERR_BODY_TIMEOUT: 'target_timeout',
  UND_ERR_HEADERS_OVERFLOW: 'target_garbage',
  UND_ERR_NOT_SUPPORTED: 'target_garbage',
  EPROTO: 'target_tls',
  CERT_HAS_EXPIRED: 'target_tls',
  CERT_NOT_YET_VALID: 'target_tls',
  CERT_REVOKED: 'target_tls',
  CERT_UNTRUSTED: 'target_tls',
  CERT_REJECTED: 'target_tls',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'target_tls',
  SELF_SIGNED_CERT_IN_CHAIN: 'target_tls',
  UNABLE_TO_GET_ISSUER_CERT: 'target_tls',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'target_tls',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'target_tls',
  INVALID_PURPOSE: 'target_tls',
  [DENIED_ADDRESS]: 'agent_denied',
};

/** The reason for an error of the HTTP client towards a target. */
export function targetReason(error: unknown): Reason {
  // happy eyeballs: one error for each address that was tried; they are alike, or the first says enough
  if (error instanceof AggregateError && error.errors.length > 0) return targetReason(error.errors[0]);
  const code = errnoOf(error) ?? '';
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  // undici's parser errors come with and without llhttp's code
  if (code.startsWith('HPE_') || (error instanceof Error && error.name === 'HTTPParserError')) return 'target_garbage';
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL')) return 'target_tls';
  if (error instanceof Error && error.cause !== undefined && error.cause !== error) return targetReason(error.cause);
  return 'agent_error';
}
