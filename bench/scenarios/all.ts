import { doorScenario } from './door.js';
import type { Scenario } from './scenario.js';

/** All scenarios, in the order of `--all`. */
export const SCENARIOS: readonly Scenario[] = [doorScenario];
