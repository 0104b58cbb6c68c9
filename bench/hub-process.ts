import { Registry } from 'prom-client';
import { createHub } from '../src/hub/hub.js';
import { silentLogger } from '../src/lib/logger.js';
import { stateWith } from '../test/support/hub-rig.js';
import { optionsFromParent, tell } from './parent.js';

/** The hub alone, a program: no ext_authz, no control plane. */

export interface RelayOptions {
  /** HTTP/2 with prior knowledge: scrapes from Envoy. */
  readonly hubSocketPath: string;
  /** Upgrades: agents. */
  readonly tunnelSocketPath: string;
  readonly agents: readonly string[];
}

export interface RelayMessage {
  readonly type: 'listening';
}

const { hubSocketPath, tunnelSocketPath, agents } = optionsFromParent<RelayOptions>();
const hub = createHub({ hubSocketPath, tunnelSocketPath, logger: silentLogger, registry: new Registry(), onRegistration: () => {}, onAgentState: () => {} });
await hub.start();
hub.setState(stateWith(agents));
await tell<RelayMessage>({ type: 'listening' });
