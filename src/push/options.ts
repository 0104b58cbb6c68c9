/** What the push door is told by the configuration. */

/** A series that carries the tenant label with another value: is refused (400), or gets the right one. */
export type OnConflict = 'refuse' | 'overwrite';

/** A backend that tenants may push to. */
export interface PushTarget {
  /** In the door's path: `/push/<name>/…`. */
  readonly name: string;
  readonly kind: 'remote_write' | 'pushgateway';
  /** `remote_write`: where to POST (`http://prometheus:9090/api/v1/write`). `pushgateway`: the base, without `/metrics`. */
  readonly url: string;
  /** The label that tells tenants apart in the backend: `tenant`, `namespace`. */
  readonly tenantLabel: string;
  /** Of `remote_write`; a Pushgateway's grouping key with another tenant is always refused. */
  readonly onConflict: OnConflict;
  /** Sent to the backend, credentials among them. The protocol's own headers cannot be set. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of an `https` backend; without it, the system's CAs count. */
  readonly caPem: string | undefined;
  /** Bound of one push from its first byte to the backend's answer. */
  readonly timeoutMs: number;
  /** Of the body as it comes; unpacked it may have 8 times as much, 32 MiB at most. */
  readonly maxBodyBytes: number;
}

export interface PushConfig {
  readonly targets: readonly PushTarget[];
  /** Tenant → names of the targets that it may push to. */
  readonly tenants: ReadonlyMap<string, readonly string[]>;
}

export interface PushLimits {
  /** Pushes of one tenant per second, all its targets together; with bursts of twice as many. */
  readonly requestsPerSecond: number;
  /** Pushes of one tenant under way. */
  readonly concurrentPerTenant: number;
  /** Memory that all pushes under way may hold, by what they are and what they unpack to. */
  readonly inFlightBytes: number;
}

export const DEFAULT_PUSH_LIMITS: PushLimits = { requestsPerSecond: 50, concurrentPerTenant: 16, inFlightBytes: 256 * 1024 * 1024 };

const MAX_UNPACKED_BYTES = 32 * 1024 * 1024;

/** What a body of this target may unpack to (facts/remote-write.md §4: 32 MiB is what receivers take). */
export function maxUnpackedBytes({ maxBodyBytes }: PushTarget): number {
  return Math.min(MAX_UNPACKED_BYTES, maxBodyBytes * 8);
}
