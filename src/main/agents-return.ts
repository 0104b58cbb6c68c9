/**
 * A gateway that has just started has no agents yet. Where there are others (`gateway.peers`) it takes no scrapers before its agents
 * are back: whoever connects is refused and goes to a gateway that has them, with any kind of load balancer. An agent that stays away
 * does not hold it up for longer than `waitMs`.
 */
import type { Clock } from '../lib/clock.js';
import type { DesiredState } from '../model/desired-state.js';

export interface AgentsReturn {
  /** The agents that are waited for; empty = the door is open, and stays open. */
  readonly awaited: () => readonly string[];
  /** An agent has registered. */
  returned(agent: string): void;
  stop(): void;
}

/** `onOpen` is called once, later, and not where nobody is waited for. */
export function awaitAgents({ gateway, agents }: DesiredState, { waitMs, clock, onOpen }: { readonly waitMs: number; readonly clock: Clock; readonly onOpen: () => void }): AgentsReturn {
  const hasPeers = (gateway.peers?.length ?? 0) > 0;
  const awaited = new Set(hasPeers && waitMs > 0 ? agents.map(({ name }) => name) : []);
  let cancel: () => void = () => undefined;
  const open = (): void => {
    cancel();
    awaited.clear();
    onOpen();
  };
  if (awaited.size > 0) cancel = clock.after(waitMs, open);
  return {
    awaited: () => [...awaited],
    returned: (agent) => {
      if (awaited.delete(agent) && awaited.size === 0) open();
    },
    stop: () => cancel(),
  };
}
