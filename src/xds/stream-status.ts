/**
 * How far a client is with one type, and with which resources it is not where it should be: for people, and for readiness.
 */
import type { Acknowledgements, Good, Rejection } from './acknowledgements.js';
import type { TypeUrl } from './resource-types.js';
import type { TypeState, VersionedResource } from './snapshot.js';
import type { Subscription, SubscriptionTraits } from './subscription.js';

/** What a stream holds of one type. */
export interface TypeStream {
  readonly url: TypeUrl;
  readonly traits: SubscriptionTraits;
  readonly subscription: Subscription;
  readonly acks: Acknowledgements;
}

/** What a client refused and still has not taken, and the version that it keeps instead. */
export interface RejectedResource {
  readonly name: string;
  readonly lastGood: string | undefined;
  /** Whether the client's words name it: a NACK is of a whole response, of which the rest was applied (rule 14). */
  readonly named: boolean;
  /** With the client's own words. */
  readonly rejection: Rejection;
}

/** How far a client is with one type. Times are the clock's. */
export interface TypeStatus {
  readonly typeUrl: TypeUrl;
  readonly wanted: string;
  readonly sent: string | undefined;
  readonly acked: string | undefined;
  readonly ackedAtMs: number | undefined;
  /** Since when a response has not been answered. */
  readonly unansweredSinceMs: number | undefined;
  /** Everything that it shall have was sent and taken. */
  readonly current: boolean;
  readonly wildcard: boolean;
  readonly names: number;
  readonly rejected: readonly RejectedResource[];
}

/** A resource that the client does not have as it is wanted. */
export interface DifferingResource {
  readonly typeUrl: TypeUrl;
  readonly name: string;
  /** Undefined: it shall go. */
  readonly wanted: VersionedResource | undefined;
  /** What it took last; undefined: nothing yet. */
  readonly acked: Good | undefined;
  /** `waiting`: not sent yet, since others come first (rules 16 and 20). */
  readonly state: 'waiting' | 'sent' | 'refused';
}

export function isCurrent({ subscription, acks }: TypeStream): boolean {
  return subscription.isCurrent() && acks.pending === undefined && acks.rejected.size === 0;
}

export function typeStatus(type: TypeStream, state: TypeState): TypeStatus {
  const { url, acks, subscription } = type;
  return {
    typeUrl: url,
    wanted: state.version,
    sent: acks.sentVersion,
    acked: acks.ackedVersion,
    ackedAtMs: acks.ackedAtMs,
    unansweredSinceMs: acks.pending?.sentAtMs,
    current: isCurrent(type),
    wildcard: subscription.wildcard,
    names: subscription.size,
    rejected: rejectedOf(acks),
  };
}

function rejectedOf({ rejected, lastGood }: Acknowledgements): RejectedResource[] {
  const names = [...rejected.keys()];
  return [...rejected].map(([name, rejection]) => {
    const namesOfIts = names.filter((other) => rejected.get(other) === rejection);
    // Words that name none are about all.
    const named = isNamed(name, rejection) || !namesOfIts.some((other) => isNamed(other, rejection));
    return { name, lastGood: lastGood.get(name)?.version, named, rejection };
  });
}

function isNamed(name: string, { message }: Rejection): boolean {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`(?<![\\w-])${escaped}(?![\\w-])`).test(message);
}

/** Every resource in which `type` differs from what is wanted. Costs as much as there are resources. */
export function differing({ url, acks, subscription, traits }: TypeStream, state: TypeState, sotw: boolean): DifferingResource[] {
  const found: DifferingResource[] = [];
  const add = (name: string, wanted: VersionedResource | undefined, acked: Good | undefined): void => {
    const sent = acks.pending?.answer.resources.some((resource) => resource.name === name) === true || acks.pending?.answer.removed.includes(name) === true;
    found.push({ typeUrl: url, name, wanted, acked, state: acks.rejected.has(name) ? 'refused' : sent ? 'sent' : 'waiting' });
  };
  for (const [name, wanted] of state.resources) {
    const acked = acks.lastGood.get(name);
    if (subscription.inScope(name) && acked?.version !== wanted.version) add(name, wanted, acked);
  }
  // Rule 12: where absence means nothing, what is gone cannot be taken back.
  if (sotw && !traits.fullState) return found;
  for (const [name, acked] of acks.lastGood) if (!state.resources.has(name) && subscription.inScope(name)) add(name, undefined, acked);
  return found;
}
