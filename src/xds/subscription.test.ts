import { describe, expect, it } from '@jest/globals';
import { typeState } from '../../test/support/xds-snapshot.js';
import { Subscription } from './subscription.js';
import type { Answer, AnswerOptions, DeltaChange } from './subscription.js';

/** A type like CDS and LDS (legacy wildcard, full state), and one like RDS, EDS and SDS. */
const LIKE_CDS = { legacyWildcard: true, fullState: true };
const LIKE_EDS = { legacyWildcard: false, fullState: false };

const ALL: AnswerOptions = { makes: true, breaks: true, maxResources: 1000, maxBytes: 1_000_000 };
const AB = typeState('cluster', { cluster: { a: '1', b: '1' } });
const EMPTY = typeState('cluster', {});

function change(parts: Partial<DeltaChange> = {}): DeltaChange {
  return { subscribe: [], unsubscribe: [], initialVersions: {}, ...parts };
}

/** `+a@1 +b@1 -c`; `(empty)`; undefined = no answer. */
function show(answer: Answer | undefined): string | undefined {
  if (answer === undefined) return undefined;
  const words = [...answer.resources.map(({ name, version }) => `+${name}@${version}`), ...answer.removed.map((name) => `-${name}`)];
  return words.length === 0 ? '(empty)' : words.sort().join(' ');
}

interface Script {
  readonly name: string;
  readonly traits?: typeof LIKE_CDS;
  /** Requests in turn, each with the answer that is due after it. */
  readonly steps: readonly (readonly [request: Partial<DeltaChange>, answer: string | undefined])[];
}

const DELTA: readonly Script[] = [
  { name: 'rule 02: a re-subscribe is answered though the client is current', traits: LIKE_EDS, steps: [[{ subscribe: ['a'] }, '+a@1'], [{ subscribe: ['a'] }, '+a@1'], [{}, undefined]] },
  { name: 'rule 03: versions that match are left out of the first answer', steps: [[{ initialVersions: { a: '1', b: '0' } }, '+b@1']] },
  { name: 'rule 03: names of the first request are in both lists', traits: LIKE_EDS, steps: [[{ subscribe: ['a', 'b'], initialVersions: { a: '1', b: '0' } }, '+b@1']] },
  { name: 'rule 03: initial versions count in the first request only', traits: LIKE_EDS, steps: [[{ subscribe: ['a'] }, '+a@1'], [{ subscribe: ['b'], initialVersions: { b: '1' } }, '+b@1']] },
  { name: 'rule 04: what vanished while away is removed', steps: [[{ initialVersions: { a: '1', b: '1', gone: '1' } }, '-gone']] },
  { name: 'rule 04: without a wildcard too', traits: LIKE_EDS, steps: [[{ subscribe: ['a', 'gone'], initialVersions: { a: '1', gone: '1' } }, '-gone']] },
  { name: 'rule 05: a name that does not exist is answered as removed, each time it is asked for', traits: LIKE_EDS, steps: [[{ subscribe: ['no'] }, '-no'], [{}, undefined], [{ subscribe: ['no'] }, '-no']] },
  { name: 'rule 06: an empty first request is the legacy wildcard', steps: [[{}, '+a@1 +b@1']] },
  { name: 'rule 06: a wildcard stays when a name is added, until * is unsubscribed', steps: [[{}, '+a@1 +b@1'], [{ subscribe: ['a'] }, '+a@1'], [{ unsubscribe: ['*'] }, undefined], [{ subscribe: ['b'] }, '+b@1']] },
  { name: 'rule 06: after names, an empty request means nothing', steps: [[{ subscribe: ['a'] }, '+a@1'], [{ unsubscribe: ['a'] }, undefined], [{}, undefined]] },
  { name: 'rule 06: the explicit wildcard', steps: [[{ subscribe: ['*'] }, '+a@1 +b@1']] },
  { name: 'rule 06: the explicit wildcard may come later; what is known is not sent again', steps: [[{ subscribe: ['a'] }, '+a@1'], [{ subscribe: ['*'] }, '+b@1']] },
  { name: 'rule 06: * and a name that is not there', steps: [[{ subscribe: ['*', 'no'] }, '+a@1 +b@1 -no']] },
  { name: 'rule 07: a name that is unsubscribed under a wildcard is sent again', steps: [[{ subscribe: ['*', 'a'] }, '+a@1 +b@1'], [{ unsubscribe: ['a'] }, '+a@1']] },
  { name: 'rule 07: or listed as removed if it is gone', steps: [[{ subscribe: ['*', 'no'] }, '+a@1 +b@1 -no'], [{ unsubscribe: ['no'] }, '-no']] },
  { name: 'rule 08: a first wildcard request is answered even with nothing', steps: [[{ initialVersions: { a: '1', b: '1' } }, '(empty)'], [{}, undefined]] },
  { name: 'rule 09: a name that stands twice in a request is answered once', traits: LIKE_EDS, steps: [[{ subscribe: ['a', 'a'] }, '+a@1']] },
  { name: 'rule 11: without the legacy wildcard an empty list is nothing', traits: LIKE_EDS, steps: [[{}, undefined], [{ subscribe: ['*'] }, '+a@1 +b@1']] },
  { name: 'subscribe and unsubscribe in one request: unsubscribed', traits: LIKE_EDS, steps: [[{ subscribe: ['a', 'b'], unsubscribe: ['a'] }, '+b@1']] },
  { name: 'an unsubscribed name is not answered', traits: LIKE_EDS, steps: [[{ subscribe: ['a'] }, '+a@1'], [{ unsubscribe: ['a'] }, undefined]] },
];

describe('a delta subscription', () => {
  it.each(DELTA)('$name', ({ traits = LIKE_CDS, steps }) => {
    const subscription = new Subscription(traits);
    for (const [request, answer] of steps) {
      subscription.delta(change(request));
      expect(show(subscription.nextDelta(AB, ALL))).toBe(answer);
    }
  });

  it('rule 05: the subscription stays, and the resource is sent when it appears', () => {
    const subscription = new Subscription(LIKE_EDS);
    subscription.delta(change({ subscribe: ['a'] }));
    expect(show(subscription.nextDelta(EMPTY, ALL))).toBe('-a');
    subscription.changed(['a', 'b']);
    expect(show(subscription.nextDelta(AB, ALL))).toBe('+a@1');
  });

  it('answers only what changed, and only what is subscribed', () => {
    const subscription = new Subscription(LIKE_EDS);
    subscription.delta(change({ subscribe: ['a'] }));
    subscription.nextDelta(AB, ALL);
    subscription.changed(['b']);
    expect(subscription.isCurrent()).toBe(true);
    expect(subscription.nextDelta(AB, ALL)).toBeUndefined();
  });

  it('a change that was taken back before it was sent is not sent', () => {
    const subscription = new Subscription(LIKE_EDS);
    subscription.delta(change({ subscribe: ['a'] }));
    subscription.nextDelta(AB, ALL);
    subscription.changed(['a']);
    subscription.changed(['a']);
    expect(subscription.nextDelta(AB, ALL)).toBeUndefined();
  });

  it('an unsubscribed name is forgotten: subscribed again, it is sent', () => {
    const subscription = new Subscription(LIKE_EDS);
    subscription.delta(change({ subscribe: ['a'] }));
    subscription.nextDelta(AB, ALL);
    subscription.delta(change({ unsubscribe: ['a'] }));
    subscription.delta(change({ subscribe: ['a'] }));
    expect(show(subscription.nextDelta(AB, ALL))).toBe('+a@1');
  });

  it('cuts an answer by number and by size, and goes on where it stopped', () => {
    const many = typeState('cluster', { cluster: { a: '1', b: '1', c: '1', d: '1' } });
    const subscription = new Subscription(LIKE_CDS);
    subscription.delta(change());
    expect(show(subscription.nextDelta(many, { ...ALL, maxResources: 3 }))).toBe('+a@1 +b@1 +c@1');
    expect(show(subscription.nextDelta(many, { ...ALL, maxBytes: 1 }))).toBe('+d@1');
    expect(subscription.nextDelta(many, ALL)).toBeUndefined();
  });

  it('holds back removals, not what was asked for and does not exist', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.delta(change());
    subscription.nextDelta(AB, ALL);
    subscription.changed(['a', 'b']);
    subscription.delta(change({ subscribe: ['no'] }));
    expect(subscription.due(EMPTY)).toEqual({ makes: true, breaks: true });
    expect(show(subscription.nextDelta(EMPTY, { ...ALL, breaks: false }))).toBe('-no');
    expect(show(subscription.nextDelta(EMPTY, ALL))).toBe('-a -b');
  });

  it('an empty answer that is owed waits until what it could say may be said', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.delta(change());
    expect(subscription.nextDelta(AB, { ...ALL, makes: false })).toBeUndefined();
    expect(show(subscription.nextDelta(AB, ALL))).toBe('+a@1 +b@1');
  });
});

const SOTW: readonly { readonly name: string; readonly traits?: typeof LIKE_CDS; readonly steps: readonly (readonly [names: readonly string[], answer: string | undefined])[] }[] = [
  { name: 'rule 06: an empty list is the legacy wildcard, and stays it', steps: [[[], '+a@1 +b@1'], [[], undefined]] },
  { name: 'rule 06: * and a name continue it', steps: [[[], '+a@1 +b@1'], [['*', 'a'], '+a@1 +b@1']] },
  { name: 'rule 06: a name without * ends the wildcard; an empty list then is no wildcard', steps: [[[], '+a@1 +b@1'], [['a'], '+a@1'], [[], undefined], [['b'], '+b@1']] },
  { name: 'rule 08: the first wildcard request is answered', steps: [[['*'], '+a@1 +b@1']] },
  { name: 'rule 11: without the legacy wildcard an empty list is nothing', traits: LIKE_EDS, steps: [[[], undefined], [['a'], '+a@1']] },
  { name: 'rule 12: a full state holds everything that is wanted', steps: [[['a'], '+a@1'], [['a', 'b'], '+a@1 +b@1']] },
  { name: 'rule 12: a full state says by absence that a name does not exist', steps: [[['no'], '(empty)']] },
  { name: 'rule 12: a partial state holds only what is new', traits: LIKE_EDS, steps: [[['a'], '+a@1'], [['a', 'b'], '+b@1']] },
  { name: 'rule 12: a partial state has no way to say that a name does not exist', traits: LIKE_EDS, steps: [[['no'], undefined]] },
  { name: 'an unchanged list is not answered', traits: LIKE_EDS, steps: [[['a'], '+a@1'], [['a'], undefined]] },
  { name: 'a name that left the list and came back is answered', traits: LIKE_EDS, steps: [[['a', 'b'], '+a@1 +b@1'], [['b'], undefined], [['a', 'b'], '+a@1']] },
];

describe('a state-of-the-world subscription', () => {
  it.each(SOTW)('$name', ({ traits = LIKE_CDS, steps }) => {
    const subscription = new Subscription(traits);
    for (const [names, answer] of steps) {
      subscription.stateOfTheWorld(names);
      expect(show(subscription.nextStateOfTheWorld(AB, ALL))).toBe(answer);
    }
  });

  it('rule 08: the first wildcard request is answered even with nothing', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.stateOfTheWorld([]);
    expect(show(subscription.nextStateOfTheWorld(EMPTY, ALL))).toBe('(empty)');
  });

  it('rule 12: what is gone is left out of a full state', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.stateOfTheWorld([]);
    subscription.nextStateOfTheWorld(AB, ALL);
    subscription.changed(['b']);
    expect(show(subscription.nextStateOfTheWorld(typeState('cluster', { cluster: { a: '1' } }), ALL))).toBe('+a@1');
  });

  it('rule 20: what is gone but still needed stays in a full state until it may leave', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.stateOfTheWorld([]);
    subscription.nextStateOfTheWorld(AB, ALL);
    subscription.changed(['b', 'c']);
    const next = typeState('cluster', { cluster: { a: '1', c: '1' } });
    expect(show(subscription.nextStateOfTheWorld(next, { makes: true, breaks: false }))).toBe('+a@1 +b@1 +c@1');
    expect(subscription.nextStateOfTheWorld(next, { makes: true, breaks: false })).toBeUndefined();
    expect(show(subscription.nextStateOfTheWorld(next, ALL))).toBe('+a@1 +c@1');
  });

  it('a full state that may not be sent yet is not lost', () => {
    const subscription = new Subscription(LIKE_CDS);
    subscription.stateOfTheWorld([]);
    subscription.nextStateOfTheWorld(AB, ALL);
    subscription.changed(['b', 'c']);
    const next = typeState('cluster', { cluster: { a: '1', c: '1' } });
    expect(subscription.nextStateOfTheWorld(next, { makes: false, breaks: true })).toBeUndefined();
    expect(show(subscription.nextStateOfTheWorld(next, ALL))).toBe('+a@1 +c@1');
  });
});
