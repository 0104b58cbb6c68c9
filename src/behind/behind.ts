import { join } from 'node:path';
import type { Dispatcher } from 'undici';
import type { AgentService } from '../model/agent-service.js';
import type { DesiredState } from '../model/desired-state.js';
import { serviceSocketName } from '../tunnel/services.js';
import { ServiceDispatcher } from './dispatcher.js';

/** Finds the data thread that an agent's tunnels are in, as far as this thread has been told. */

/** The way to a service; it is the caller's, to be closed with it. */
export type WayTo = (service: AgentService, timeoutMs: number) => Dispatcher;

export interface Behind {
  readonly wayTo: WayTo;
  setState(state: Pick<DesiredState, 'sites'>): void;
  /** The agent has come up there. Where it was last is where it is expected back. */
  located(agent: string, thread: number): void;
}

export function createBehind(runtimeDir: string): Behind {
  const threads = new Map<string, number>();
  let sites: NonNullable<DesiredState['sites']> = [];
  /** Of a site all members are in one thread. Who was never seen is nowhere: any thread says so. */
  const threadOf = (name: string): number => {
    const members = sites.find((site) => site.name === name)?.agents ?? [name];
    return members.map((agent) => threads.get(agent)).find((thread) => thread !== undefined) ?? 0;
  };
  return {
    wayTo: (service, timeoutMs) => new ServiceDispatcher({ service, timeoutMs, socketPath: () => join(runtimeDir, serviceSocketName(threadOf(service.agent))) }),
    setState: (state) => {
      sites = state.sites ?? [];
    },
    located: (agent, thread) => {
      threads.set(agent, thread);
    },
  };
}

/** Where nothing is behind an agent: it has been configured, and nobody has built the way. */
export const NO_WAY: WayTo = ({ agent, service }) => {
  throw new Error(`no way to the service "${service}" behind "${agent}"`);
};
