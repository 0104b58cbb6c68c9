/**
 * What one client wants of one type, and what it has: the one core under state of the world and delta, with no I/O.
 *
 * The idea that makes it simple: a name is *dirty* when the client may not have what it should have. Every rule is a reason to
 * mark names dirty (or to forget what the client knows of them), and the answer is one function over the dirty names. So the
 * cost of a change is that of what changed, not of what there is.
 */
import type { TypeState, VersionedResource } from './snapshot.js';

/** What the client has under a name: a resource that was sent, or a version that it said it has (rule 3). */
type Known = Pick<VersionedResource, 'version'> & { readonly bytes?: Uint8Array };

/** Known to be asked for, and nothing more: whatever there is differs from it, and that there is nothing must be said. */
const FORGOTTEN: Known = { version: '' };

export const WILDCARD = '*';

export interface SubscriptionTraits {
  /** Rule 11: a first request without names means "everything". */
  readonly legacyWildcard: boolean;
  /** Rule 12: a state-of-the-world answer holds everything, and absence deletes. */
  readonly fullState: boolean;
}

export interface DeltaChange {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name → version; looked at in the first request of a type only (rule 3). */
  readonly initialVersions: Readonly<Record<string, string>>;
}

/** One response's content. */
export interface Answer {
  readonly resources: readonly VersionedResource[];
  /** Of these, what the client did not have: all but in a full state, which repeats the rest. */
  readonly fresh: readonly VersionedResource[];
  /** Always empty in state of the world, which has no way to say it. */
  readonly removed: readonly string[];
}

/** What an answer may hold now (make before break, rule 20), and how much. */
export interface AnswerOptions {
  /** New and changed resources, and that something does not exist which was asked for. */
  readonly makes: boolean;
  /** Removals of what the client has. */
  readonly breaks: boolean;
  readonly maxResources: number;
  readonly maxBytes: number;
}

/** What there is to say to a client. */
export interface Due {
  readonly makes: boolean;
  readonly breaks: boolean;
}

type Step = VersionedResource | 'absent' | 'break' | 'nothing';

export class Subscription {
  readonly #traits: SubscriptionTraits;
  #wildcard = false;
  /** Rule 6, state of the world: naming anything ends the legacy mode for good; an empty list then means nothing. */
  #hasNamed = false;
  #started = false;
  readonly #names = new Set<string>();
  readonly #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();
  /** Everything is dirty, whatever the names will be when it is answered. */
  #allDirty = false;
  /** Rule 8: an answer is due even if it says nothing. */
  #owed = false;

  constructor(traits: SubscriptionTraits) {
    this.#traits = traits;
  }

  get wildcard(): boolean {
    return this.#wildcard;
  }

  get size(): number {
    return this.#names.size;
  }

  // ---- requests

  /** A delta request: names added and dropped. Holds whatever its nonce is (rule 1). */
  delta({ subscribe, unsubscribe, initialVersions }: DeltaChange): void {
    const first = !this.#started;
    this.#started = true;
    if (first) {
      this.#seed(initialVersions);
      if (subscribe.length === 0 && this.#traits.legacyWildcard) this.#startWildcard(); // rule 6
    }
    for (const name of subscribe) {
      if (name === WILDCARD) this.#startWildcard();
      else this.#add(name, first);
    }
    for (const name of unsubscribe) {
      if (name === WILDCARD) this.#stopWildcard();
      else this.#drop(name);
    }
  }

  /** A state-of-the-world request: the whole list of names. */
  stateOfTheWorld(list: readonly string[]): void {
    const first = !this.#started;
    this.#started = true;
    if (list.length > 0) this.#hasNamed = true;
    const wildcard = list.includes(WILDCARD) || (list.length === 0 && !this.#hasNamed && this.#traits.legacyWildcard); // rule 6
    const wanted = new Set(list);
    wanted.delete(WILDCARD);
    if (wildcard && !this.#wildcard) this.#startWildcard();
    for (const name of this.#names) if (!wanted.has(name)) this.#drop(name);
    for (const name of wanted) if (!this.#names.has(name)) this.#add(name, first);
    if (!wildcard && this.#wildcard) this.#stopWildcard();
  }

  /** Rules 3 and 4: what the client says that it has is compared like what was sent, so what vanished is removed. */
  #seed(versions: Readonly<Record<string, string>>): void {
    for (const [name, version] of Object.entries(versions)) {
      this.#known.set(name, { version });
      this.#dirty.add(name);
    }
  }

  #startWildcard(): void {
    this.#wildcard = true;
    this.#allDirty = true;
    this.#owed = true; // rule 8
  }

  #stopWildcard(): void {
    this.#wildcard = false;
    for (const name of this.#known.keys()) if (!this.#names.has(name)) this.#forget(name);
  }

  /** Rule 2: in any request but the first, whoever subscribes is answered, whatever it was sent before. */
  #add(name: string, first: boolean): void {
    this.#names.add(name);
    if (!first || !this.#known.has(name)) this.#known.set(name, FORGOTTEN); // rule 5: an absent name is answered too
    this.#dirty.add(name);
  }

  /** Rule 7: under a wildcard an unsubscribed name is still wanted, and is sent again. */
  #drop(name: string): void {
    this.#names.delete(name);
    if (this.#wildcard) this.sendAgain([name]);
    else this.#forget(name);
  }

  #forget(name: string): void {
    this.#known.delete(name);
    this.#dirty.delete(name);
  }

  // ---- changes

  /** Names that differ in a new snapshot. */
  changed(names: Iterable<string>): void {
    for (const name of names) if (this.inScope(name) || this.#known.has(name)) this.#dirty.add(name);
  }

  /** Sends names once more though their content is the same (rules 7 and 18). Says which of them the client wants at all. */
  sendAgain(names: Iterable<string>): string[] {
    const wanted = [...names].filter((name) => this.inScope(name));
    for (const name of wanted) {
      this.#known.set(name, FORGOTTEN);
      this.#dirty.add(name);
    }
    return wanted;
  }

  /** Whether the client asks for a name. */
  inScope(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }

  // ---- answers

  /** Whether the client has, as far as was sent, all that it shall have. */
  isCurrent(): boolean {
    return this.#dirty.size === 0 && !this.#allDirty && !this.#owed;
  }

  has(resource: VersionedResource): boolean {
    return this.#known.get(resource.name)?.version === resource.version;
  }

  /** What there is to say: what can be sent at once is up to the caller (rule 20). */
  due(state: TypeState): Due {
    this.#resolveAllDirty(state);
    const due = { makes: this.#owed, breaks: false };
    for (const name of this.#dirty) {
      const step = this.#step(name, state);
      if (step === 'break') due.breaks = true;
      else if (step !== 'nothing') due.makes = true;
      if (due.makes && due.breaks) break;
    }
    return due;
  }

  /** The delta answer that is due, if any; versions count as known from now on (rule 15). What is not said stays dirty. */
  nextDelta(state: TypeState, options: AnswerOptions): Answer | undefined {
    const { resources, removed } = this.#take(state, options);
    if (resources.length === 0 && removed.length === 0 && !this.#owesEmpty(options)) return undefined;
    this.#owed = false;
    return { resources, fresh: resources, removed };
  }

  /** The state-of-the-world answer that is due, if any. It cannot be cut: for a full state it holds everything (rule 12). */
  nextStateOfTheWorld(state: TypeState, options: Pick<AnswerOptions, 'makes' | 'breaks'>): Answer | undefined {
    if (this.#traits.fullState && !options.makes) return undefined;
    const { resources, removed } = this.#take(state, { ...options, maxResources: Infinity, maxBytes: Infinity });
    const changed = resources.length > 0 || (this.#traits.fullState && removed.length > 0);
    if (!changed && !this.#owesEmpty(options)) return undefined;
    this.#owed = false;
    return { resources: this.#traits.fullState ? this.#everything(state) : resources, fresh: resources, removed: [] };
  }

  /** Takes from the dirty names what may be said now. They are a set, so none is said twice or in both lists (rule 9). */
  #take(state: TypeState, options: AnswerOptions): { resources: VersionedResource[]; removed: string[] } {
    this.#resolveAllDirty(state);
    const resources: VersionedResource[] = [];
    const removed: string[] = [];
    let bytes = 0;
    for (const name of this.#dirty) {
      if (resources.length + removed.length >= options.maxResources) break;
      const step = this.#step(name, state);
      // One that is over the limit by itself goes alone.
      if (isSendable(step) && resources.length > 0 && bytes + step.bytes.length > options.maxBytes) break;
      const isBreak = step === 'break';
      if (isBreak ? !options.breaks : !options.makes) continue;
      this.#dirty.delete(name);
      if (step === 'nothing') continue;
      if (isBreak || step === 'absent') {
        removed.push(name);
        this.#known.delete(name);
      } else {
        resources.push(step);
        this.#known.set(name, step);
        bytes += step.bytes.length;
      }
    }
    return { resources, removed };
  }

  /** What is to be said of a name: the resource; that it is absent, to one who asked; that it is gone, to one who has it. */
  #step(name: string, state: TypeState): Step {
    const wanted = this.#wanted(name, state);
    const known = this.#known.get(name);
    if (wanted !== undefined) return known?.version === wanted.version ? 'nothing' : wanted;
    if (known === undefined) return 'nothing';
    return known === FORGOTTEN ? 'absent' : 'break';
  }

  #wanted(name: string, state: TypeState): VersionedResource | undefined {
    return this.inScope(name) ? state.resources.get(name) : undefined;
  }

  #resolveAllDirty(state: TypeState): void {
    if (!this.#allDirty) return;
    this.#allDirty = false;
    for (const name of state.resources.keys()) this.#dirty.add(name);
    for (const name of this.#known.keys()) this.#dirty.add(name);
  }

  /** Rule 8: whether an empty answer is due. It waits until what it could say may be said. */
  #owesEmpty({ makes }: Pick<AnswerOptions, 'makes'>): boolean {
    return this.#owed && makes;
  }

  /** All that the client shall have now: what there is, and what is gone but may not be taken away yet. */
  #everything(state: TypeState): VersionedResource[] {
    const all: VersionedResource[] = [];
    for (const [name, resource] of state.resources) if (this.inScope(name)) all.push(resource);
    for (const name of this.#dirty) {
      const known = this.#known.get(name);
      if (known !== undefined && isResource(known) && !state.resources.has(name)) all.push(known);
    }
    return all;
  }
}

function isSendable(step: Step): step is VersionedResource {
  return typeof step === 'object';
}

function isResource(known: Known): known is VersionedResource {
  return known.bytes !== undefined;
}
