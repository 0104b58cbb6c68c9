import { Registry } from 'prom-client';
import { createHub } from '../src/hub/hub.js';
import { silentLogger } from '../src/lib/logger.js';
import { stateWith } from '../test/support/hub-rig.js';
import { TENANT } from './contestant.js';
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
const state = stateWith(agents);
// The tenant that the load names must be one of the hub's: whoever is not there any more is looked at again a moment later, and cut.
hub.setState({ ...state, tenants: state.tenants.map((tenant) => ({ ...tenant, name: TENANT })) });
await tell<RelayMessage>({ type: 'listening' });
