import type { Close } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import type { Tunnel } from './tunnel.js';

/**
 * Which tunnel an agent's scrapes go to, and which of its lanes. One tunnel of an agent is current; a newer one of the same process replaces it when
 * it is up; one of another process only if the old one is dead (contracts: "Same name twice"). A scrape that comes while an
 * agent is reconnecting waits, for as long as that usually takes.
 */

/** A scrape that waits for its agent, or for any of several. For each, exactly one of the two is called, unless it stops waiting before. */
export interface Waiter {
  onTunnel(tunnel: Tunnel): void;
  onAway(agent: string): void;
}

export interface TunnelsOptions {
  /** How long an agent that was lost counts as reconnecting, ms. */
  readonly reconnectGraceMs: number;
  /** How long an old tunnel has to show that it lives when another process claims its name, ms. */
  readonly conflictPingMs: number;
}

export interface TunnelsEvents {
  onAgentUp(agent: string): void;
  onAgentDown(agent: string, detail: string): void;
}

/** All that is known of one agent. */
interface Site {
  /** Takes the scrapes; state up. */
  current: Tunnel | undefined;
  /** Accepted, not up yet: it will replace `current`. */
  opening: Tunnel | undefined;
  /** Tunnels that finish their last scrapes. */
  readonly leaving: Set<Tunnel>;
  readonly waiting: Set<Waiter>;
  /** The agent was connected until a moment ago; undefined: it is connected, or has been away for longer. */
  cancelGrace: (() => void) | undefined;
}

export class Tunnels {
  readonly #sites = new Map<string, Site>();
  readonly #options: TunnelsOptions;
  readonly #clock: Clock;
  readonly #events: TunnelsEvents;

  constructor(options: TunnelsOptions, clock: Clock, events: TunnelsEvents) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
  }

  // ---- for scrapes

  /** The tunnel to use; `wait`: none right now, but the agent is expected back (see `wait`); `away`: none. */
  find(agent: string): Tunnel | 'wait' | 'away' {
    const site = this.#sites.get(agent);
    if (site === undefined) return 'away';
    return (site.current && leastBusy(site.current)) ?? (site.opening !== undefined || site.cancelGrace !== undefined ? 'wait' : 'away');
  }

  /** Waits for an agent for which `find` said `wait`. */
  wait(agent: string, waiter: Waiter): void {
    this.#site(agent).waiting.add(waiter);
  }

  /** An agent that has its tunnel elsewhere will come here: it counts as one that was just lost. */
  expect(agent: string): void {
    const site = this.#site(agent);
    if (site.current !== undefined || site.cancelGrace !== undefined) return;
    site.cancelGrace = this.#clock.after(this.#options.reconnectGraceMs, () => this.#graceOver(agent, site));
  }

  stopWaiting(agent: string, waiter: Waiter): void {
    this.#sites.get(agent)?.waiting.delete(waiter);
  }

  // ---- for handshakes

  /**
   * May a new tunnel of this agent's process `instance` be opened? Answers at once, or after a PING to the old tunnel of
   * another process: `free`, nobody else has the name; `taken_over`, somebody had it and is silent; `agent_conflict`, no.
   */
  claim(agent: string, instance: string, answer: (verdict: 'free' | 'taken_over' | 'agent_conflict') => void): void {
    const site = this.#sites.get(agent);
    const rival = [site?.current, site?.opening].find((tunnel) => tunnel !== undefined && tunnel.instance !== instance);
    if (rival === undefined) return answer('free');
    rival.challenge(this.#options.conflictPingMs, (alive) => {
      if (alive) return answer('agent_conflict');
      rival.destroy('another process of this agent has come, and this one is silent');
      answer('taken_over');
    });
  }

  /** The tunnel of this process, the newest if there are two: up, or coming up. */
  of(agent: string, instance: string): Tunnel | undefined {
    const site = this.#sites.get(agent);
    return [site?.opening, site?.current].find((tunnel) => tunnel?.instance === instance);
  }

  /** A tunnel has been accepted; it becomes current when it is up. A lane is one of its tunnel's from then on. */
  add(tunnel: Tunnel): void {
    if (tunnel.main !== undefined) return void tunnel.main.lanes.add(tunnel);
    const site = this.#site(tunnel.agent);
    const overtaken = site.opening;
    site.opening = tunnel;
    overtaken?.destroy('overtaken by a newer tunnel');
  }

  // ---- events of tunnels

  onUp(tunnel: Tunnel): void {
    if (tunnel.main !== undefined) return;
    const site = this.#site(tunnel.agent);
    const old = site.current;
    if (site.opening === tunnel) site.opening = undefined;
    site.current = tunnel;
    site.cancelGrace?.();
    site.cancelGrace = undefined;
    old?.leave();
    if (old === undefined) this.#events.onAgentUp(tunnel.agent);
    const waiting = [...site.waiting];
    site.waiting.clear();
    for (const waiter of waiting) waiter.onTunnel(tunnel);
  }

  onLeaving(tunnel: Tunnel): void {
    const site = this.#site(tunnel.agent);
    site.leaving.add(tunnel);
    leaveLanes(tunnel);
    this.#withdraw(site, tunnel, 'it takes no new scrapes');
  }

  onClosed(tunnel: Tunnel, close: Close): void {
    const site = this.#site(tunnel.agent);
    site.leaving.delete(tunnel);
    leaveLanes(tunnel);
    if (site.opening === tunnel) site.opening = undefined;
    this.#withdraw(site, tunnel, close.detail);
    this.#forgetIfEmpty(tunnel.agent, site);
  }

  /** Closes all tunnels of an agent and forgets it: nothing waits for its return. */
  cut(agent: string, detail: string): void {
    const site = this.#sites.get(agent);
    if (site === undefined) return;
    for (const tunnel of tunnelsOf(site)) tunnel.destroy(detail);
    this.#graceOver(agent, site);
  }

  *all(): Generator<Tunnel> {
    for (const site of this.#sites.values()) yield* tunnelsOf(site);
  }

  agents(): string[] {
    return [...this.#sites.keys()];
  }

  /** Ends all waiting, as if nobody came back. */
  stop(): void {
    for (const [agent, site] of this.#sites) this.#graceOver(agent, site);
  }

  // ---- inner

  #site(agent: string): Site {
    let site = this.#sites.get(agent);
    if (site === undefined) {
      site = { current: undefined, opening: undefined, leaving: new Set(), waiting: new Set(), cancelGrace: undefined };
      this.#sites.set(agent, site);
    }
    return site;
  }

  /** The current tunnel is not to be used any more, and there is no other: the agent is away, and may come back. */
  #withdraw(site: Site, tunnel: Tunnel, detail: string): void {
    if (site.current !== tunnel) return;
    site.current = undefined;
    site.cancelGrace = this.#clock.after(this.#options.reconnectGraceMs, () => this.#graceOver(tunnel.agent, site));
    this.#events.onAgentDown(tunnel.agent, detail);
  }

  #graceOver(agent: string, site: Site): void {
    site.cancelGrace?.();
    site.cancelGrace = undefined;
    const waiting = site.opening === undefined ? [...site.waiting] : [];
    for (const waiter of waiting) {
      site.waiting.delete(waiter);
      waiter.onAway(agent);
    }
    this.#forgetIfEmpty(agent, site);
  }

  #forgetIfEmpty(agent: string, site: Site): void {
    if (tunnelsOf(site).length > 0 || site.cancelGrace !== undefined) return;
    // An agent that never came up again: whoever waited for its handshake has waited in vain.
    const waiting = [...site.waiting];
    site.waiting.clear();
    this.#sites.delete(agent);
    for (const waiter of waiting) waiter.onAway(agent);
  }
}

/** Which connection of a tunnel the next scrape should take; the tunnel itself at a tie. */
export function leastBusy(main: Tunnel): Tunnel {
  let best = main;
  for (const lane of main.lanes) if (lane.state === 'up' && !lane.connection.closed && lane.burden < best.burden) best = lane;
  return best;
}

/** A lane that is no more, or whose tunnel is not, is not one of its lanes. */
function leaveLanes(tunnel: Tunnel): void {
  tunnel.main?.lanes.delete(tunnel);
  for (const lane of tunnel.lanes) lane.leave();
}

function tunnelsOf(site: Site): Tunnel[] {
  const tunnels = [site.current, site.opening, ...site.leaving].filter((tunnel) => tunnel !== undefined);
  return tunnels.flatMap((tunnel) => [tunnel, ...tunnel.lanes]);
}
