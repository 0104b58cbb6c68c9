import type { DesiredState } from '../../src/model/desired-state.js';
import { startQueryDoor } from '../../test/support/query-door.js';
import { fail, optionsFromParent, tell } from '../parent.js';

/** The query service on a port of its own, a program: what rewriting and passing on cost without Envoy, TLS and authentication. */

export interface DoorOptions {
  readonly state: DesiredState;
}

export interface DoorMessage {
  readonly url: string;
}

try {
  const { state } = optionsFromParent<DoorOptions>();
  const { url } = await startQueryDoor(state);
  await tell<DoorMessage>({ url });
} catch (error) {
  await fail(error);
}
