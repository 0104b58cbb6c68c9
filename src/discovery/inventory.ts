import type { Clock } from '../lib/clock.js';
import type { ScrapeRights } from '../model/grants.js';
import type { Target } from '../model/target.js';

/**
 * What every agent offers, last known. An agent that goes away keeps its targets here until the retention has passed: its
 * targets are then seen as down, not as gone. Before the gateway has heard of every agent it does not answer at all: a partial
 * list would delete targets silently (facts/prometheus-scrape.md §4).
 */
export interface InventoryOptions {
  readonly settleMs: number;
  readonly retentionMs: number;
  readonly clock: Clock;
  /** Wall clock, ms since the epoch: what is remembered must outlive the process. */
  readonly wallMs: () => number;
  /** The targets of an agent were dropped: the retention has passed, or the agent is not configured any more. */
  readonly onForgotten: (agent: string) => void;
}

/** What is kept over a restart. */
export interface Remembered {
  readonly agent: string;
  readonly targets: readonly Target[];
  /** Since when the agent is away, ms since the epoch. */
  readonly awaySinceMs: number;
}

interface Entry {
  targets: readonly Target[];
  /** On the clock's time, which nobody sets: a wall clock that jumps must not take targets away. Undefined: it is connected. */
  awaySinceMs: number | undefined;
}

export class Inventory {
  readonly #options: InventoryOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #offered = new Map<string, readonly Target[]>();
  readonly #settledAtMs: number;
  #cancelSweep: (() => void) | undefined;

  constructor(options: InventoryOptions, remembered: readonly Remembered[]) {
    this.#options = options;
    this.#settledAtMs = options.clock.nowMs() + options.settleMs;
    for (const { agent, targets, awaySinceMs } of remembered) this.#set(agent, { targets, awaySinceMs: options.clock.nowMs() - Math.max(0, options.wallMs() - awaySinceMs) });
    this.#sweep();
  }

  /** Agent → targets. */
  get offered(): ReadonlyMap<string, readonly Target[]> {
    return this.#offered;
  }

  /** Everything, as of now. */
  remembered(): readonly Remembered[] {
    const nowMs = this.#options.clock.nowMs();
    const wallMs = this.#options.wallMs();
    return [...this.#entries].map(([agent, { targets, awaySinceMs = nowMs }]) => ({ agent, targets, awaySinceMs: wallMs - (nowMs - awaySinceMs) }));
  }

  register(agent: string, targets: readonly Target[]): void {
    this.#set(agent, { targets, awaySinceMs: undefined });
  }

  agentState(agent: string, state: 'up' | 'down'): void {
    const entry = this.#entries.get(agent);
    if (entry === undefined) return;
    entry.awaySinceMs = state === 'up' ? undefined : this.#options.clock.nowMs();
    this.#sweep();
  }

  /** Not connected, or connected and without a word of its targets yet. */
  isAway(agent: string): boolean {
    const entry = this.#entries.get(agent);
    return entry === undefined || entry.awaySinceMs !== undefined;
  }

  /** Only these agents are configured. */
  keepOnly(agents: ReadonlySet<string>): void {
    for (const agent of this.#entries.keys()) if (!agents.has(agent)) this.#forget(agent);
  }

  /** Whether all that a tenant might scrape is known, or has had its time to come back. `agentsOf`: the agents behind a name. */
  isKnown(rights: ScrapeRights, agentsOf: (name: string) => readonly string[] = (name) => [name]): boolean {
    if (this.#options.clock.nowMs() >= this.#settledAtMs) return true;
    return [...rights.agents].every((name) => agentsOf(name).every((agent) => this.#entries.has(agent)) || !rights.couldReach(name));
  }

  stop(): void {
    this.#cancelSweep?.();
  }

  #set(agent: string, entry: Entry): void {
    this.#entries.set(agent, entry);
    this.#offered.set(agent, entry.targets);
  }

  #forget(agent: string): void {
    this.#entries.delete(agent);
    this.#offered.delete(agent);
    this.#options.onForgotten(agent);
  }

  /** Forgets what is due, and comes back when the next is. */
  #sweep(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    const dueMs = ({ awaySinceMs }: Entry): number => (awaySinceMs === undefined ? Infinity : awaySinceMs + this.#options.retentionMs - this.#options.clock.nowMs());
    for (const [agent, entry] of this.#entries) if (dueMs(entry) <= 0) this.#forget(agent);
    const nextMs = Math.min(...[...this.#entries.values()].map(dueMs));
    if (nextMs !== Infinity) this.#cancelSweep = this.#options.clock.after(Math.min(nextMs, MAX_TIMER_MS), () => this.#sweep());
  }
}

/** A longer one would fire at once (setTimeout takes 31 bits). */
const MAX_TIMER_MS = 2 ** 31 - 1;
