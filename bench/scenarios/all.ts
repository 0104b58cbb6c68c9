import { agentScenario } from './agent.js';
import { bulkScenario } from './bulk.js';
import { churnScenario } from './churn.js';
import { doorScenario } from './door.js';
import { idleScenario } from './idle.js';
import type { Scenario } from './scenario.js';
import { startScenario } from './start.js';

/** All scenarios, in the order of `--all`. */
export const SCENARIOS: readonly Scenario[] = [doorScenario, bulkScenario, idleScenario, agentScenario, churnScenario, startScenario];
