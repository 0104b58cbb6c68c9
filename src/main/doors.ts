/** The control thread's view of the thread of the query and push doors, which there is from the moment on that somebody may query or push. */
import type { MetricObject } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import { locations } from './places.js';
import type { Places } from './places.js';
import { changeBetween } from './state-change.js';
import { superviseThread } from './supervised-thread.js';
import type { DoorThreadOptions, FromDoorThread, ToDoorThread } from './thread-messages.js';

export interface Doors {
  setState(state: DesiredState): void;
  /** Resolves when nobody asks any more of backends as they were before the last state, or after two seconds. */
  settled(): Promise<void>;
  /** This data thread holds the agent's tunnels now. */
  located(agent: string, thread: number): void;
  /** Whether this gateway lets pushed groups expire: of several one does. */
  setExpiring(expiring: boolean): void;
  /** Resolves when the doors that the state opens are served. */
  listening(): Promise<void>;
  isMissing(): boolean;
  collect(): Promise<MetricObject[]>;
  close(): Promise<void>;
}

export function startDoors({ expiring: first, places, ...workerData }: DoorThreadOptions & { readonly expiring: boolean; readonly places: Places }, logger: Logger): Doors {
  let state: DesiredState | undefined;
  let expiring = first;
  let isListening = false;
  const heard = Promise.withResolvers<void>();
  const thread = superviseThread<ToDoorThread, FromDoorThread>({
    file: './door-thread.js',
    name: 'doors',
    workerData,
    logger,
    greeting: () => [{ type: 'expiring', expiring }, ...locations(places), ...(state === undefined ? [] : [{ type: 'state', change: changeBetween(undefined, state) } as const])],
    onWord: () => {
      isListening = true;
      heard.resolve();
    },
    onEnd: () => {
      isListening = false;
    },
  });
  const isWanted = (): boolean => state?.tenants.some(({ query, push }) => (query ?? push) !== undefined) === true;
  return {
    setState: (next) => {
      const before = state;
      state = next;
      if (thread.isRunning()) thread.post({ type: 'state', change: changeBetween(before, next) });
      else if (isWanted()) thread.start();
    },
    settled: async () => {
      await thread.ask((id) => ({ type: 'settle', id }));
    },
    located: (agent, place) => thread.post({ type: 'located', agent, thread: place }),
    setExpiring: (next) => {
      expiring = next;
      thread.post({ type: 'expiring', expiring });
    },
    listening: () => (isWanted() ? heard.promise : Promise.resolve()),
    isMissing: () => isWanted() && !isListening,
    collect: async () => {
      const answer = await thread.ask((id) => ({ type: 'collect', id }));
      return answer?.type === 'metrics' ? answer.metrics : [];
    },
    close: () => thread.close({ type: 'close' }),
  };
}
