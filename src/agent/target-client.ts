/**
 * The HTTP client towards targets: one undici pool for each, so that a target that hangs holds up nobody else. No redirects, no
 * decompression, no time-outs of its own (a scrape has one deadline, kept in scrape.ts), every byte as the exporter sent it.
 */
import { lookup as resolve } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import { Pool } from 'undici';
import { targetAddress } from '../model/target.js';
import type { Reach } from './allow-list.js';
import type { TargetSpec } from '../model/agent-settings.js';
import { DENIED_ADDRESS } from './target-error.js';

const CONNECT_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 64 * 1024;
/** Longer than the usual scrape interval of a minute: one connection to an exporter for good. */
const KEEP_ALIVE_MS = 90_000;

/** What a connection depends on. */
type Dialled = Pick<TargetSpec, 'target' | 'tls'>;

/** The connections to one target; costs nothing before the first scrape, since of thousands of targets few may ever be asked for. */
export interface TargetPool {
  readonly get: () => Pool;
  /** Lets scrapes in flight finish. */
  close(): void;
  destroy(): Promise<void>;
}

/** Close it when the target goes. */
export function createTargetPool(spec: Dialled, reach: Reach, maxConnections: number): TargetPool {
  let pool: Pool | undefined;
  return {
    get: () => (pool ??= openPool(spec, reach, maxConnections)),
    close: () => void pool?.close(),
    destroy: async () => pool?.destroy(),
  };
}

function openPool({ target, tls }: Dialled, reach: Reach, maxConnections: number): Pool {
  const serverName = tls.serverName ?? (isIP(target.host) === 0 ? target.host : undefined);
  return new Pool(`${target.scheme}://${targetAddress(target)}`, {
    connections: maxConnections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    allowH2: false,
    connect: {
      timeout: CONNECT_TIMEOUT_MS,
      lookup: lookupAllowed(reach),
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(tls.caPem === undefined ? {} : { ca: tls.caPem }),
      ...(tls.client === undefined ? {} : { cert: tls.client.certificatePem, key: tls.client.keyPem }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
  });
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** `dns.lookup` without the addresses that the target may not have: the check is on what will be dialled, for every connection. */
export function lookupAllowed({ isAddressAllowed }: Reach): (hostname: string, options: LookupOptions, callback: LookupCallback) => void {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const allowed = addresses.filter(({ address }) => isAddressAllowed(address));
      const [first] = allowed;
      if (first === undefined) return callback(Object.assign(new Error(`${hostname} resolves to addresses only that are not on the allow-list`), { code: DENIED_ADDRESS }), []);
      if (options.all === true) return callback(null, allowed);
      return callback(null, first.address, first.family);
    });
  };
}
