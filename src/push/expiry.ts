import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Backend } from './backend.js';
import { writeGroupingKey } from './grouping-key.js';
import { isExpired, readGroup } from './groups.js';
import type { Group, GroupTtl } from './groups.js';
import type { PushMetrics } from './metrics.js';

/**
 * Groups expire that nobody has pushed for long: a Pushgateway itself keeps them for ever, with values that look like today's.
 *
 * All that is known is read from the Pushgateway each time, its own clock included, so a gateway that takes over needs nothing from the one
 * before, and pushes that went past this gateway count.
 */
export interface ExpiryOptions {
  readonly backend: Backend;
  readonly ttl: GroupTtl;
  readonly metrics: PushMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A group is gone at most a tenth of its time too late, or a minute. */
const SHARE = 0.1;
const MIN_PERIOD_MS = 500;
const MAX_PERIOD_MS = 60_000;
const MAX_PAGE_BYTES = 512 * 1024 * 1024;
const MAX_LINE_CHARS = 64 * 1024;
/** What is more, is the next round's. */
const MAX_DELETED = 1_000;

export class Expiry {
  private readonly stopping = new AbortController();
  private readonly periodMs: number;
  private cancel: () => void = () => {};

  constructor(private readonly options: ExpiryOptions) {
    const { ms = Infinity, byTenant } = options.ttl;
    this.periodMs = Math.min(MAX_PERIOD_MS, Math.max(MIN_PERIOD_MS, Math.min(ms, ...byTenant.values()) * SHARE));
    this.wait();
  }

  /** Nothing is deleted from now on. */
  stop(): void {
    this.stopping.abort();
    this.cancel();
  }

  private wait(): void {
    if (!this.stopping.signal.aborted) this.cancel = this.options.clock.after(this.periodMs, () => void this.round().finally(() => this.wait()));
  }

  private async round(): Promise<void> {
    const { backend, metrics, logger } = this.options;
    const target = backend.target.name;
    try {
      for (const group of await this.expired()) {
        if (this.stopping.signal.aborted) return;
        await this.remove(group);
      }
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      metrics.expiryFailures.inc({ target });
      logger.warn({ err: error, target }, 'groups of a Pushgateway could not be looked through, or deleted');
    }
  }

  private async expired(): Promise<readonly Group[]> {
    const { backend, ttl, metrics } = this.options;
    const { name: target, tenantLabel } = backend.target;
    const page = await backend.page('/metrics', this.signal());
    const expired: Group[] = [];
    let groups = 0;
    for await (const line of lines(page.body)) {
      const group = readGroup(line, tenantLabel);
      if (group === undefined) continue;
      groups += 1;
      if (expired.length < MAX_DELETED && isExpired(group, ttl, page.nowMs)) expired.push(group);
    }
    metrics.groups.set({ target }, groups);
    return expired;
  }

  /** That a push comes just now cannot be ruled out; then it is lost as if it had come a moment before. */
  private async remove({ keys, tenant }: Group): Promise<void> {
    const { backend, metrics, logger } = this.options;
    const target = backend.target.name;
    for (const key of keys) {
      const sent = await backend.send({ method: 'DELETE', path: `/metrics/${writeGroupingKey(key)}`, headers: { 'user-agent': 'scrapeway' }, body: undefined, signal: this.signal() });
      if (!sent.ok) throw new Error(`${sent.error.reason} ${sent.error.detail}`);
      if (sent.value.status >= 300) throw new Error(`a group was not deleted: ${sent.value.status}`);
    }
    metrics.expiredGroups.inc({ target, tenant });
    logger.info({ target, tenant, job: keys[0]?.get('job') }, 'a group has expired');
  }

  private signal(): AbortSignal {
    return AbortSignal.any([this.stopping.signal, AbortSignal.timeout(this.options.backend.target.timeoutMs)]);
  }
}

/** Lines that are too long to be of interest are left out. */
async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MAX_PAGE_BYTES) throw new Error(`its page is larger than ${MAX_PAGE_BYTES} bytes`);
    const found = `${rest}${piece.toString('latin1')}`.split('\n');
    rest = (found.pop() ?? '').slice(0, MAX_LINE_CHARS);
    for (const line of found) if (line.startsWith('push_time_seconds{')) yield Buffer.from(line, 'latin1').toString('utf8');
  }
}
