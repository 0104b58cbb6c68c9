import { agentScenario } from './agent.js';
import { bulkScenario } from './bulk.js';
import { churnScenario } from './churn.js';
import { doorScenario } from './door.js';
import { herdScenario } from './herd.js';
import { idleScenario } from './idle.js';
import { matrixScenario } from './matrix.js';
import type { Scenario } from './scenario.js';
import { startScenario } from './start.js';
import { wanScenario } from './wan.js';

/** All scenarios, in the order of `--all`. */
export const SCENARIOS: readonly Scenario[] = [matrixScenario, bulkScenario, doorScenario, idleScenario, agentScenario, churnScenario, herdScenario, wanScenario, startScenario];
