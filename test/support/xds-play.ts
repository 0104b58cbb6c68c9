import { KINDS, RESOURCE_TYPES, resourceType } from '../../src/xds/resource-types.js';
import type { Kind } from '../../src/xds/resource-types.js';
import { changesBetween } from '../../src/xds/snapshot.js';
import type { Snapshot } from '../../src/xds/snapshot.js';
import { DiscoveryStream } from '../../src/xds/stream.js';
import type { DiscoveryRequest, DiscoveryResponse, RequestOutcome, Variant } from '../../src/xds/stream.js';
import type { DeltaChange } from '../../src/xds/subscription.js';
import { snapshot } from './xds-snapshot.js';
import type { Sketch } from './xds-snapshot.js';

export const MAX_HOLD_MS = 5_000;

/** A client that is played by hand: what it is sent is kept until it answers. */
export class Play {
  readonly #stream: DiscoveryStream;
  readonly #variant: Variant;
  #snapshot: Snapshot | undefined;
  readonly open = new Map<Kind, DiscoveryResponse>();
  nowMs = 0;

  constructor(variant: Variant, sketch?: Sketch) {
    this.#variant = variant;
    this.#snapshot = sketch === undefined ? undefined : snapshot(sketch);
    this.#stream = new DiscoveryStream({ variant, aggregated: true, maxHoldMs: MAX_HOLD_MS, maxResources: 3, maxBytes: 1_000_000 }, this.#snapshot);
  }

  get stream(): DiscoveryStream {
    return this.#stream;
  }

  request(kind: Kind, change: Partial<DeltaChange> & { readonly names?: readonly string[] } = {}, parts: Partial<DiscoveryRequest> = {}): RequestOutcome {
    const { names = [], ...delta } = change;
    return this.#stream.request(
      {
        typeUrl: RESOURCE_TYPES[kind].url,
        nonce: '',
        error: undefined,
        change:
          this.#variant === 'delta' ? { variant: 'delta', subscribe: [], unsubscribe: [], initialVersions: {}, ...delta } : { variant: 'sotw', names },
        ...parts,
      },
      this.nowMs,
    );
  }

  publish(sketch: Sketch): void {
    const next = snapshot(sketch);
    const changes = changesBetween(this.#snapshot, next);
    this.#snapshot = next;
    this.#stream.publish(next, changes);
  }

  /** What is due now, as lines: `cluster +a@1 -b`. */
  sent(): string[] {
    return this.#stream.responses(this.nowMs).map((response) => {
      const kind = resourceType(response.typeUrl)?.kind;
      if (kind === undefined) return `other -${response.removed.join(' -')}`;
      this.open.set(kind, response);
      const words = [...response.resources.map(({ name, version }) => `+${name}@${version}`), ...response.removed.map((name) => `-${name}`)];
      return [kind, ...words.sort()].join(' ');
    });
  }

  ack(kind: Kind, change: Partial<DeltaChange> & { readonly names?: readonly string[] } = {}): RequestOutcome {
    const response = this.open.get(kind);
    if (response === undefined) throw new Error(`nothing to acknowledge of ${kind}`);
    return this.request(kind, change, { nonce: response.nonce });
  }

  nack(kind: Kind, message: string, names: readonly string[] = []): RequestOutcome {
    const response = this.open.get(kind);
    if (response === undefined) throw new Error(`nothing to refuse of ${kind}`);
    return this.request(kind, { names }, { nonce: response.nonce, error: { code: 13, message } });
  }

  /** Acknowledges whatever is sent until nothing more comes; says what came. */
  settle(): string[] {
    const all: string[] = [];
    for (let lines = this.sent(); lines.length > 0; lines = this.sent()) {
      all.push(...lines);
      for (const kind of KINDS) {
        if (this.open.has(kind)) this.ack(kind);
        this.open.delete(kind);
      }
    }
    return all;
  }
}

/** An Envoy that has everything: clusters and listeners by wildcard, the rest by name. */
export function connectedEnvoy(sketch: Sketch): Play {
  const play = new Play('delta', sketch);
  play.request('cluster');
  play.request('endpoint', { subscribe: Object.keys(sketch.endpoint ?? {}) });
  play.request('listener');
  play.request('route', { subscribe: Object.keys(sketch.route ?? {}) });
  play.settle();
  return play;
}
