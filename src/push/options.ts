import type { PushTarget } from '../model/desired-state.js';

/** What the push door is told by the configuration. */

export interface PushConfig {
  readonly targets: readonly PushTarget[];
  /** Tenant → names of the targets that it may push to. */
  readonly tenants: ReadonlyMap<string, readonly string[]>;
  /** Default: those that the door was made with. */
  readonly limits?: PushLimits;
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
