import { AwsV4Signer } from 'aws4fetch';
import type { AwsKeys } from '../model/receiver-credentials.js';
import type { Sign } from '../remotewrite/transport.js';

/**
 * AWS Signature Version 4, as Amazon Managed Service for Prometheus wants it. The signature is over the request as it is sent, its body
 * included, so that it is made for each attempt anew, after everything else.
 */

export interface SignerOptions {
  readonly region: string;
  readonly service: string;
  readonly keys: () => Promise<AwsKeys>;
}

export function createSigner({ region, service, keys }: SignerOptions): Sign {
  // keys that are derived from the secret hold for a day; without this each request would derive its own
  const cache = new Map<string, ArrayBuffer>();
  return async ({ url, headers, body }) => {
    if (cache.size > DERIVED_KEYS_MAX) cache.clear();
    const { accessKeyId, secretAccessKey, sessionToken } = await keys();
    const token = sessionToken === undefined ? {} : { sessionToken };
    const signed = await new AwsV4Signer({ method: 'POST', url, headers: { ...headers }, body: new Uint8Array(body), accessKeyId, secretAccessKey, ...token, region, service, cache }).sign();
    return { ...headers, ...Object.fromEntries(ADDED.flatMap((name) => { const value = signed.headers.get(name); return value === null ? [] : [[name, value]]; })) };
  };
}

const DERIVED_KEYS_MAX = 16;
/** What the signature consists of; nothing else of the request changes. */
const ADDED = ['authorization', 'x-amz-date', 'x-amz-security-token'] as const;
