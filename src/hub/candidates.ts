import { assertNever } from '../lib/result.js';
import { REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import type { Tunnel } from './tunnel.js';
import type { Tunnels } from './tunnels.js';

/**
 * Who may still answer a scrape: an agent, or the members of a site in the order in which they are to be asked (ADR 31). Who has
 * failed is struck off; who is only absent, or has fallen silent, just comes after the others.
 */
export class Candidates {
  #left: readonly string[];

  constructor(agents: readonly string[]) {
    this.#left = agents;
  }

  /** More than one can still be asked. */
  get several(): boolean {
    return this.#left.length > 1;
  }

  /** Whom to ask now: the first that is there and not silent, else the first that is there. `but`: it is being asked already. */
  best(tunnels: Tunnels, but?: Tunnel): Tunnel | undefined {
    let silent: Tunnel | undefined;
    for (const agent of this.#left) {
      const found = tunnels.find(agent);
      if (typeof found === 'string' || found.agent === but?.agent) continue;
      if (!found.silentOnAsk) return found;
      silent ??= found;
    }
    return silent;
  }

  /** Who is not there and may be back in a moment. */
  expected(tunnels: Tunnels): readonly string[] {
    return this.#left.filter((agent) => tunnels.find(agent) === 'wait');
  }

  strike(agent: string): void {
    this.#left = this.#left.filter((each) => each !== agent);
  }
}

/** GET and HEAD change nothing at the target, and a CONNECT has not begun before its 200: these may be asked twice. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'CONNECT']);

export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}

/**
 * Whether another agent may fare better. Faults of one place: its tunnel, its network, its load. Not what the target itself says or is,
 * which would be the same elsewhere; not a denial, which is a decision; not a time-out, which has used up the time.
 */
export function mayFareBetter(reason: Reason): boolean {
  switch (REASONS[reason].hop) {
    case 'hub':
      return AT_HUB.has(reason);
    case 'agent':
      return AT_AGENT.has(reason);
    case 'authz':
    case 'api':
    case 'envoy':
    case 'push':
      return false;
    default:
      return assertNever(REASONS[reason], 'hop');
  }
}

const AT_HUB: ReadonlySet<Reason> = new Set(['agent_lost', 'agent_misbehaved', 'agent_busy', 'agent_away']);
const AT_AGENT: ReadonlySet<Reason> = new Set([
  'target_unknown',
  'service_unknown',
  'target_dns',
  'target_refused',
  'target_unreachable',
  'target_reset',
  'target_tls',
  'agent_overloaded',
  'agent_draining',
  'agent_error',
]);

/** Of two failures of one scrape the one to tell: an agent has seen more than the hub, and the later one is what it ended with. */
export function tellingMore(earlier: Reason | undefined, later: Reason): Reason {
  return earlier !== undefined && REASONS[earlier].hop === 'agent' && REASONS[later].hop !== 'agent' ? earlier : later;
}
