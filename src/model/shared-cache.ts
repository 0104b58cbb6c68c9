/** A Redis or Valkey that gateways share, as it is configured. */
export interface SharedCacheOptions {
  /** `redis://` or `rediss://`, without credentials. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly caPem?: string | undefined;
  /** Before each key. */
  readonly prefix: string;
  /** The most that a query waits for it. */
  readonly timeoutMs: number;
  readonly maxValueBytes: number;
}
