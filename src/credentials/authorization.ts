/**
 * The value of `Authorization` or `Proxy-Authorization`: one credential, or nothing that we know (RFC 7617, RFC 6750). Envoy joins
 * repeated headers by commas, which neither form allows, so that two of them are nothing that we know.
 */
export type Authorization =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'unknown' };

/** Longer ones are not looked at: nothing that we issue comes near, and hashing is not free. */
const MAX_CHARS = 8192;
const FORM = /^(basic|bearer) +([A-Za-z0-9._~+/-]+=*) *$/i;

export function readAuthorization(value: string): Authorization {
  const [, scheme = '', credential = ''] = (value.length <= MAX_CHARS && FORM.exec(value)) || [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { kind: 'bearer', token: credential };
    case 'basic': {
      const pair = Buffer.from(credential, 'base64').toString('utf8');
      const colon = pair.indexOf(':');
      return colon < 0 ? { kind: 'unknown' } : { kind: 'basic', user: pair.slice(0, colon), password: pair.slice(colon + 1) };
    }
    default:
      return { kind: 'unknown' };
  }
}
