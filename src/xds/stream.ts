/**
 * One client's stream as a state machine without I/O: it takes requests and snapshots, and yields responses.
 *
 * Per type there is a subscription (what the client wants and has) and its acknowledgements (what became of what was sent).
 * A response is made only when none of its type is unanswered, so changes that arrive meanwhile coalesce: that is the back
 * pressure (xds.md rule 16).
 */
import { Acknowledgements } from './acknowledgements.js';
import type { NackDetail } from './acknowledgements.js';
import { Holds } from './holds.js';
import { breaksWaitFor, byResponseOrder, makesWaitFor } from './order.js';
import { RESOURCE_TYPES, resourceType } from './resource-types.js';
import type { TypeUrl } from './resource-types.js';
import type { Snapshot, TypeState, VersionedResource } from './snapshot.js';
import { differing, isCurrent, typeStatus } from './stream-status.js';
import type { DifferingResource, TypeStatus, TypeStream } from './stream-status.js';
import { Subscription, WILDCARD } from './subscription.js';
import type { Answer, DeltaChange, SubscriptionTraits } from './subscription.js';

export type Variant = 'sotw' | 'delta';

/** A request of either variant, as plain data. */
export interface DiscoveryRequest {
  readonly typeUrl: TypeUrl;
  /** "" when it answers no response. */
  readonly nonce: string;
  /** Rule 13: this, and nothing else, makes it a NACK. */
  readonly error: NackDetail | undefined;
  readonly change: ({ readonly variant: 'delta' } & DeltaChange) | { readonly variant: 'sotw'; readonly names: readonly string[] };
}

export interface DiscoveryResponse extends Answer {
  readonly typeUrl: TypeUrl;
  readonly nonce: string;
  readonly version: string;
}

/** What a request was, for metrics and logs. */
export type RequestOutcome =
  | { readonly kind: 'subscribe' | 'ack' | 'stale' }
  | { readonly kind: 'nack'; readonly detail: NackDetail; readonly names: readonly string[] };

export interface StreamOptions {
  readonly variant: Variant;
  /** Whether the stream carries all types, so that a client which has state of one may still ask for others. */
  readonly aggregated: boolean;
  /** How long a type waits for others before it goes ahead all the same (rule 20), ms. */
  readonly maxHoldMs: number;
  /** A delta response is cut at either (xds.md §2). */
  readonly maxResources: number;
  readonly maxBytes: number;
}

export const DEFAULT_STREAM_OPTIONS: Omit<StreamOptions, 'variant' | 'aggregated'> = {
  maxHoldMs: 5_000,
  maxResources: 5_000,
  maxBytes: 2 * 1024 * 1024,
};

/** Types that are not served count too; Envoy has about 20. */
const MAX_TYPES = 64;
const NO_RESOURCES: TypeState = { version: '', resources: new Map() };
/** A type that is not served is answered as one that has no resources: the client need not wait for them. */
const UNSERVED: SubscriptionTraits = { legacyWildcard: false, fullState: false };

const CLUSTERS = RESOURCE_TYPES.cluster.url;
const ENDPOINTS = RESOURCE_TYPES.endpoint.url;

export class DiscoveryStream {
  readonly #options: StreamOptions;
  readonly #types = new Map<TypeUrl, TypeStream>();
  #snapshot: Snapshot | undefined;
  #nonces = 0; // rule 17
  /** Endpoints of clusters that were sent: the cluster serves nothing until they have arrived (rules 18 and 22). */
  readonly #warming = new Set<string>();
  /** Types of which the client brought state along from another stream, until their first removal: it has users of it, too. */
  readonly #returning = new Set<TypeUrl>();
  readonly #holds: Holds;

  constructor(options: StreamOptions, snapshot: Snapshot | undefined) {
    this.#options = options;
    this.#holds = new Holds(options.maxHoldMs);
    this.#snapshot = snapshot;
  }

  // ---- input

  /** A new snapshot, and what differs from the one before. */
  publish(snapshot: Snapshot, changes: ReadonlyMap<TypeUrl, ReadonlySet<string>>): void {
    this.#snapshot = snapshot;
    for (const [url, names] of changes) this.#types.get(url)?.subscription.changed(names);
  }

  /** Takes one request. Throws when the client asks for absurdly many types. */
  request(request: DiscoveryRequest, nowMs: number): RequestOutcome {
    const known = this.#types.get(request.typeUrl);
    const type = known ?? this.#open(request.typeUrl);
    // Rule 1: only state of the world drops a request for its nonce. One without a nonce was written before our answer came.
    const { lastNonce } = type.acks;
    if (this.#options.variant === 'sotw' && request.nonce !== '' && lastNonce !== undefined && request.nonce !== lastNonce) {
      return { kind: 'stale' };
    }
    const outcome = this.#acknowledge(type, request, nowMs);
    this.#subscribe(type, request, known === undefined);
    return outcome;
  }

  #open(url: TypeUrl): TypeStream {
    if (this.#types.size >= MAX_TYPES) throw new RangeError(`more than ${MAX_TYPES} resource types on one stream`);
    const traits = resourceType(url) ?? UNSERVED;
    const type: TypeStream = { url, traits, subscription: new Subscription(traits), acks: new Acknowledgements() };
    this.#types.set(url, type);
    return type;
  }

  #acknowledge(type: TypeStream, { nonce, error }: DiscoveryRequest, nowMs: number): RequestOutcome {
    const { pending } = type.acks;
    if (pending === undefined || pending.nonce !== nonce) return { kind: 'subscribe' };
    if (error !== undefined) {
      type.acks.reject(pending, error, nowMs);
      return { kind: 'nack', detail: error, names: [...pending.answer.resources.map(({ name }) => name), ...pending.answer.removed] };
    }
    type.acks.acknowledge(pending, this.#options.variant === 'sotw' && type.traits.fullState, nowMs);
    if (type.url === ENDPOINTS) this.#warmed(type, pending.answer);
    return { kind: 'ack' };
  }

  #subscribe({ url, subscription, acks }: TypeStream, { change }: DiscoveryRequest, first: boolean): void {
    if (change.variant === 'sotw') {
      subscription.stateOfTheWorld(change.names);
    } else {
      if (first) {
        acks.seed(change.initialVersions, this.#stateOf(url).resources);
        if (this.#options.aggregated && Object.keys(change.initialVersions).length > 0) this.#returning.add(url);
      }
      subscription.delta(change);
    }
    // What it does not ask for any more, it need not take any more.
    const dropped = change.variant === 'delta' ? change.unsubscribe : [];
    for (const name of [...dropped, ...acks.rejected.keys()]) if (!subscription.inScope(name)) acks.forget(name);
    if (!first || url !== ENDPOINTS) return;
    // Rule 18 across a reconnect: the cluster was sent before its endpoints were asked for,
    subscription.sendAgain(this.#warming);
    // or on another stream. Envoy does not ask for clusters while one of them warms (rule 21), and it says that it has the
    // endpoints for which that one still waits.
    if (this.#options.aggregated && !this.#types.has(CLUSTERS) && change.variant === 'delta') subscription.sendAgain(change.subscribe.filter((name) => name !== WILDCARD));
  }

  /** Endpoints that were taken, unless they have become due again meanwhile. */
  #warmed({ subscription }: TypeStream, answer: Answer): void {
    for (const resource of answer.resources) if (subscription.has(resource)) this.#warming.delete(resource.name);
    for (const name of answer.removed) this.#warming.delete(name);
  }

  // ---- output

  /** The responses that are due, in the order in which they are to be sent (rule 19). */
  responses(nowMs: number): DiscoveryResponse[] {
    if (this.#snapshot === undefined) return [];
    const types = this.#inOrder();
    const all: DiscoveryResponse[] = [];
    // Once more after the last one: only then is it known what waits for an answer, and since when (rule 20).
    for (let before = -1; before < all.length; ) {
      before = all.length;
      for (const type of types) {
        const response = this.#respond(type, nowMs);
        if (response !== undefined) all.push(response);
      }
    }
    return all;
  }

  /** When `responses` may have more to say without any input: a type has waited long enough. Undefined = never. */
  get wakeAtMs(): number | undefined {
    return this.#holds.wakeAtMs;
  }

  #respond(type: TypeStream, nowMs: number): DiscoveryResponse | undefined {
    if (type.acks.pending !== undefined) {
      // Rule 16; and the type waits for its own client now, for nothing else.
      for (const phase of ['make', 'break']) this.#holds.forget(`${phase} ${type.url}`);
      return undefined;
    }
    const state = this.#stateOf(type.url);
    const due = type.subscription.due(state);
    const phases = { makes: this.#mayMake(type.url, due.makes, nowMs), breaks: this.#mayBreak(type.url, due.breaks, nowMs) };
    const answer =
      this.#options.variant === 'delta'
        ? type.subscription.nextDelta(state, { ...phases, maxResources: this.#options.maxResources, maxBytes: this.#options.maxBytes })
        : type.subscription.nextStateOfTheWorld(state, phases);
    if (answer === undefined) return undefined;
    if (type.url === CLUSTERS) this.#warm(answer.fresh);
    this.#nonces += 1;
    const nonce = String(this.#nonces);
    type.acks.sent(nonce, state.version, answer, nowMs);
    return { typeUrl: type.url, nonce, version: state.version, ...answer };
  }

  #stateOf(url: TypeUrl): TypeState {
    return this.#snapshot?.types.get(url) ?? NO_RESOURCES;
  }

  /** Rule 18: a cluster that was sent warms, and waits for its endpoints once more, though nobody asks for them again. */
  #warm(clusters: readonly VersionedResource[]): void {
    const names = clusters.flatMap(({ references }) => references.filter(({ kind }) => kind === 'endpoint').map(({ name }) => name));
    for (const name of names) this.#warming.add(name);
    this.#types.get(ENDPOINTS)?.subscription.sendAgain(names);
  }

  // ---- make before break (rule 20)

  #mayMake(url: TypeUrl, due: boolean, nowMs: number): boolean {
    const waits = due && makesWaitFor(url).some((other) => !this.#hasArrived(other));
    const may = this.#holds.pass(`make ${url}`, waits, nowMs);
    if (waits && may) this.#warming.clear(); // nobody came for these
    return may;
  }

  #mayBreak(url: TypeUrl, due: boolean, nowMs: number): boolean {
    const users = due ? breaksWaitFor(url) : [];
    if (users.some((user) => this.#usesStateBefore(user))) {
      this.#holds.forget(`break ${url}`); // for as long as it takes
      return false;
    }
    const may = this.#holds.pass(`break ${url}`, users.some((user) => !this.#hasArrived(user) || this.#mayStillAskFor(user, url)), nowMs);
    if (due && may) this.#returning.delete(url);
    return may;
  }

  /** A client that returns asks for one type after the other: what it had of `url`, its routes of old may still use. */
  #mayStillAskFor(user: TypeUrl, url: TypeUrl): boolean {
    return this.#returning.has(url) && !this.#types.has(user);
  }

  /** Whether the client certainly still uses what a type said before: the new state was refused, or not even sent yet. */
  #usesStateBefore(url: TypeUrl): boolean {
    const type = this.#types.get(url);
    return type !== undefined && (type.acks.rejected.size > 0 || type.subscription.due(this.#stateOf(url)).makes);
  }

  /** Whether the client has taken all that is new in a type. A type that this stream never asked for is not waited for (rule 21). */
  #hasArrived(url: TypeUrl): boolean {
    if (url === ENDPOINTS && this.#warming.size > 0) return false;
    const type = this.#types.get(url);
    if (type === undefined) return true;
    const { pending } = type.acks;
    if (pending !== undefined && pending.answer.resources.length > 0) return false;
    return !type.subscription.due(this.#stateOf(url)).makes;
  }

  // ---- status

  /** Whether the client has taken every resource of the snapshot, and everything that is gone has been removed. */
  hasAll(snapshot: Snapshot): boolean {
    for (const [url, state] of snapshot.types) {
      const type = this.#types.get(url);
      if (type === undefined) {
        if (state.resources.size > 0) return false;
      } else if (!isCurrent(type) || ![...state.resources.values()].every((resource) => type.subscription.has(resource))) {
        return false;
      }
    }
    return true;
  }

  status(): TypeStatus[] {
    return this.#inOrder().map((type) => typeStatus(type, this.#stateOf(type.url)));
  }

  /** Every resource that the client does not have as it is wanted. Costs as much as there are resources. */
  differing(): DifferingResource[] {
    return this.#inOrder().flatMap((type) => differing(type, this.#stateOf(type.url), this.#options.variant === 'sotw'));
  }

  /** Rule 19. */
  #inOrder(): TypeStream[] {
    return [...this.#types.values()].sort((a, b) => byResponseOrder(a.url, b.url));
  }
}
