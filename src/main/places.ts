import type { Located } from './thread-messages.js';

/** By agent, the number of the data thread where its tunnels were last: who reaches services behind agents must know. */
export type Places = ReadonlyMap<string, number>;

/** What a thread that has just started is told of them. */
export function locations(places: Places): readonly Located[] {
  return [...places].map(([agent, thread]) => ({ type: 'located', agent, thread }));
}
