import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../lib/logger.js';
import { KubeError, messageOf } from '../kube/api.js';
import type { KubeAnswer, KubeApi } from '../kube/api.js';
import { collectionPath, LEASE } from '../kube/kinds.js';
import { get, textAt } from '../kube/values.js';

/**
 * Leader election by a Lease: who has it renews it, and who cannot renew it stops in time, well before another may take it.
 *
 * Clocks of different machines are never compared: another's Lease has run out when it has stood unchanged for its whole length on
 * our own clock. Two who try at once write the same version, and the API server takes one (409 for the other).
 */
export interface CampaignOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly name: string;
  /** Unique among those who campaign: the pod's name. */
  readonly identity: string;
  /** True: from now on; `left` is what the one before has left. False: no more, at once; resolved when it is so. */
  readonly onLeading: (leading: boolean, left: string | undefined) => void | Promise<void>;
  /** What the next one should find: written with each renewal. Undefined: what stands there stays. */
  readonly leave?: () => string | undefined;
  readonly logger: Logger;
  readonly timing?: LeaseTiming;
}

export interface LeaseTiming {
  /** How long others wait for a leader that says nothing. */
  readonly leaseMs: number;
  /** Not renewed for as long, we lead no more; shorter than the Lease, by more than clocks may drift. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export interface Campaign {
  leading(): boolean;
  /** Gives the Lease back, so that another need not wait for its end. */
  close(): Promise<void>;
}

const TIMING: LeaseTiming = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

const LEFT_ANNOTATION = 'scrapeway.io/left';

/** Starts at once, and campaigns again whenever the Lease is lost. */
export function campaign(options: CampaignOptions): Campaign {
  const candidate = new Candidate(options);
  const done = candidate.run();
  return {
    leading: () => candidate.leading,
    close: async () => {
      candidate.stop.abort();
      await done;
      await candidate.release();
    },
  };
}

class Candidate {
  readonly stop = new AbortController();
  leading = false;
  readonly #options: CampaignOptions;
  readonly #timing: LeaseTiming;
  readonly #path: string;
  /** What stood there last, and since when on our clock. */
  #seen: { readonly version: string; readonly sinceMs: number } | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #handedOver: void | Promise<void> = undefined;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#timing = options.timing ?? TIMING;
    this.#path = collectionPath(LEASE, options.namespace);
  }

  async run(): Promise<void> {
    while (!this.stop.signal.aborted) {
      try {
        await this.#attempt();
      } catch (error) {
        if (!this.stop.signal.aborted) this.#options.logger.warn({ lease: this.#options.name, err: error, leading: this.leading }, 'the Lease could not be had or renewed');
      }
      await this.#pause();
    }
    this.#lead(false);
  }

  async release(): Promise<void> {
    // Another may begin as soon as the Lease is free.
    await this.#handedOver;
    try {
      const { body } = await this.#send({ method: 'GET', path: `${this.#path}/${this.#options.name}` });
      if (textAt(body, 'spec', 'holderIdentity') !== this.#options.identity) return;
      await this.#put(body, { holderIdentity: '', leaseDurationSeconds: 1 }, true);
    } catch {
      // It runs out by itself.
    }
  }

  async #attempt(): Promise<void> {
    // Renewed in time or not is counted from before the request: the server's clock starts no later.
    const startedMs = performance.now();
    const answer = await this.#send({ method: 'GET', path: `${this.#path}/${this.#options.name}` });
    if (answer.status === 404) return this.#taken(await this.#send({ method: 'POST', path: this.#path, body: { metadata: { name: this.#options.name, namespace: this.#options.namespace }, spec: this.#spec(0) } }), startedMs);
    if (answer.status !== 200) throw new KubeError(answer.status, messageOf(answer.body));
    const lease = answer.body;
    const holder = textAt(lease, 'spec', 'holderIdentity') ?? '';
    const mine = holder === this.#options.identity;
    if (!mine && this.leading) this.#lead(false);
    if (!mine && holder !== '' && !this.#hasRunOut(lease)) return;
    const left = textAt(lease, 'metadata', 'annotations', LEFT_ANNOTATION);
    const transitions = Number(get(lease, 'spec', 'leaseTransitions') ?? 0) + (mine ? 0 : 1);
    const before = mine ? { acquireTime: get(lease, 'spec', 'acquireTime') } : {};
    this.#taken(await this.#put(lease, { ...this.#spec(transitions), ...before }, mine && this.leading), startedMs, left);
  }

  #hasRunOut(lease: unknown): boolean {
    const version = textAt(lease, 'metadata', 'resourceVersion') ?? '';
    const now = performance.now();
    if (this.#seen?.version !== version) this.#seen = { version, sinceMs: now };
    const lengthMs = Number(get(lease, 'spec', 'leaseDurationSeconds') ?? 0) * 1000;
    return now - this.#seen.sinceMs > lengthMs;
  }

  #taken(answer: KubeAnswer, startedMs: number, left?: string): void {
    // Somebody else was faster.
    if (answer.status === 409) return;
    if (answer.status >= 300) throw new KubeError(answer.status, messageOf(answer.body));
    clearTimeout(this.#deadline);
    this.#deadline = globalThis.setTimeout(() => this.#lead(false), Math.max(0, this.#timing.renewDeadlineMs - (performance.now() - startedMs)));
    this.#lead(true, left);
  }

  #lead(leading: boolean, left?: string): void {
    if (!leading) clearTimeout(this.#deadline);
    if (this.leading === leading || (leading && this.stop.signal.aborted)) return;
    this.leading = leading;
    this.#options.logger.info({ lease: this.#options.name, leading }, leading ? 'leading' : 'not leading any more');
    this.#handedOver = this.#options.onLeading(leading, left);
  }

  #spec(leaseTransitions: number): Readonly<Record<string, unknown>> {
    const now = new Date().toISOString().replace('Z', '000Z');
    return { holderIdentity: this.#options.identity, leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000), acquireTime: now, renewTime: now, leaseTransitions };
  }

  #put(lease: unknown, spec: Readonly<Record<string, unknown>>, leaves: boolean): Promise<KubeAnswer> {
    // Who has only now come to lead must not wipe out what was left to it.
    const left = leaves ? this.#options.leave?.() : undefined;
    const annotations = { ...Object(get(lease, 'metadata', 'annotations')), ...(left !== undefined && { [LEFT_ANNOTATION]: left }) };
    const metadata = { name: this.#options.name, namespace: this.#options.namespace, resourceVersion: textAt(lease, 'metadata', 'resourceVersion'), annotations };
    return this.#send({ method: 'PUT', path: `${this.#path}/${this.#options.name}`, body: { metadata, spec } });
  }

  /** Not after the deadline: an answer that comes later must not be waited for. */
  #send(request: { readonly method: 'GET' | 'POST' | 'PUT'; readonly path: string; readonly body?: unknown }): Promise<KubeAnswer> {
    const { name, namespace } = this.#options;
    const body = request.body === undefined ? {} : { body: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, ...Object(request.body) } };
    return this.#options.api.send({ ...request, ...body, signal: AbortSignal.timeout(this.#timing.renewDeadlineMs / 2) });
  }

  async #pause(): Promise<void> {
    await setTimeout(this.#timing.retryMs * (0.9 + Math.random() / 5), undefined, { signal: this.stop.signal }).catch(() => {});
  }
}
