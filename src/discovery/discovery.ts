import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState, Site } from '../model/desired-state.js';
import { disagreements } from '../model/sites.js';
import type { Target } from '../model/target.js';
import { answerSd } from './answer.js';
import type { Answer, SdQuestion } from './answer.js';
import { Inventory } from './inventory.js';
import { createMemoryWriter, readMemory } from './memory-file.js';
import { compileTenancy } from './tenancy.js';
import type { Tenancy } from './tenancy.js';

/** http_sd: who offers what (inventory.ts), who may scrape what (tenancy.ts), told to Prometheus (answer.ts). */
export interface Discovery {
  /** All that is known now: after a restart, what was remembered. */
  readonly offered: ReadonlyMap<string, readonly Target[]>;
  setState(state: DesiredState): void;
  register(agent: string, targets: readonly Target[]): void;
  agentState(agent: string, state: 'up' | 'down'): void;
  answer(question: SdQuestion): Answer;
  close(): Promise<void>;
}

export interface DiscoveryOptions {
  /** The file in which the inventory outlives the process. */
  readonly memoryPath: string;
  readonly settleMs: number;
  readonly retentionMs: number;
  readonly validate: (targets: unknown) => readonly Target[];
  readonly onForgotten: (agent: string) => void;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock?: Clock;
  readonly wallMs?: () => number;
}

export async function createDiscovery(options: DiscoveryOptions): Promise<Discovery> {
  const { settleMs, retentionMs, validate, onForgotten, logger, registry, clock = systemClock, wallMs = Date.now } = options;
  const file = { path: options.memoryPath, logger, clock, validate };
  const forgotten = (agent: string): void => {
    logger.info({ agent }, 'targets of an agent forgotten');
    onForgotten(agent);
    memory.touch();
  };
  const memory = createMemoryWriter({ ...file, onFailure: () => unkept.inc() }, () => inventory.remembered());
  const inventory = new Inventory({ settleMs, retentionMs, clock, wallMs, onForgotten: forgotten }, await readMemory(file));
  let tenancy: Tenancy | undefined;

  const unkept = new Counter({ name: 'scrapeway_discovery_memory_failures_total', help: 'Times that what agents offer could not be written for the next start.', registers: [registry] });
  const requests = new Counter({ name: 'scrapeway_discovery_requests_total', help: 'Answers of http_sd, by status.', labelNames: ['status'], registers: [registry] });
  const targets: Gauge = new Gauge({
    name: 'scrapeway_discovery_targets',
    help: 'Targets that agents offer, those of agents that are away included.',
    registers: [registry],
    collect: () => targets.set([...inventory.offered.values()].reduce((sum, each) => sum + each.length, 0)),
  });

  const perSite = (name: string, help: string, read: (site: Site) => number): void => {
    const gauge: Gauge<'site'> = new Gauge({
      name,
      help,
      labelNames: ['site'],
      registers: [registry],
      collect: () => {
        gauge.reset();
        for (const site of tenancy?.sites ?? []) gauge.set({ site: site.name }, read(site));
      },
    });
  };
  perSite('scrapeway_discovery_site_members_away', 'Of the agents of a site with several, how many are not connected.', (site) => site.agents.filter((agent) => inventory.isAway(agent)).length);
  perSite('scrapeway_discovery_site_disagreements', 'Targets of a site with several agents that these have registered under one name and with different content.', (site) => disagreements(site, inventory.offered).length);

  return {
    offered: inventory.offered,
    setState: (state) => {
      tenancy = compileTenancy(state);
      inventory.keepOnly(new Set(state.agents.map(({ name }) => name)));
    },
    register: (agent, offered) => {
      inventory.register(agent, offered);
      memory.touch();
    },
    agentState: (agent, state) => {
      inventory.agentState(agent, state);
      memory.touch();
    },
    answer: (question) => {
      const answer = answerSd(question, tenancy, inventory);
      requests.inc({ status: answer.status });
      return answer;
    },
    close: async () => {
      inventory.stop();
      await memory.flush();
    },
  };
}
