import { hash } from 'node:crypto';
import type { Credential, FrontProxy } from './desired-state.js';

/**
 * A name for a credential, for audit lines and for cutting off what came with it when it is revoked: the same for as long as the
 * credential is the same (a changed password is another credential), without any part of a secret, and fit for a header.
 */
export function credentialId(credential: Credential): string {
  switch (credential.kind) {
    case 'certificate':
      return `certificate:${credential.san.value}`;
    case 'basic':
      return `basic:${credential.user}:${hash('sha256', credential.bcryptHash, 'hex').slice(0, 8)}`;
    case 'bearer':
      // Of a hash: the first digits of a token's own hash would do, but look like more than they are.
      return `bearer:${hash('sha256', credential.sha256, 'hex').slice(0, 12)}`;
    case 'jwt':
      return `jwt:${credential.issuer}:${hash('sha256', JSON.stringify(credential.claims), 'hex').slice(0, 12)}`;
    case 'service-account':
      return `service-account:${credential.namespace}${credential.name === undefined ? '' : `/${credential.name}`}`;
  }
}

/** The same for a front proxy, which speaks for tenants without a credential of theirs. */
export function frontProxyId({ san }: FrontProxy): string {
  return `front-proxy:${san.value}`;
}
