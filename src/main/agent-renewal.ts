/** Renewal of an agent's certificate, wired: which gateways are asked, and where the result goes. */
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { AgentConfig } from '../config/agent-config.js';
import type { Identity } from '../join/client.js';
import { startRenewal } from '../join/renewal.js';
import type { Renewal } from '../join/renewal.js';
import { certificateInfo } from '../lib/certificate.js';
import { systemClock } from '../lib/clock.js';
import { err } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';

/** The certificate's end as a metric, and, where the configuration wants it, its renewal. */
export function startAgentRenewal(config: AgentConfig, logger: Logger, registry: Registry): Renewal {
  const expiry = new Gauge({ name: 'scrapeway_agent_certificate_expiry_timestamp_seconds', help: "When the agent's certificate ends.", registers: [registry] });
  const renewals = new Counter({ name: 'scrapeway_agent_certificate_renewals_total', help: "Attempts to renew the agent's certificate, by outcome: renewed, failed.", labelNames: ['outcome'], registers: [registry] });
  for (const outcome of ['renewed', 'failed']) renewals.inc({ outcome }, 0);
  const { renewFile, name = 'agent', settings: { gateways } } = config;
  const renewal = renewFile === undefined ? undefined : startRenewal({
    clock: systemClock,
    logger: logger.child({ component: 'renewal' }),
    onOutcome: (renewed) => renewals.inc({ outcome: renewed ? 'renewed' : 'failed' }),
    keep: async (next) => (await readJoining()).writeIdentity(renewFile, next),
    ask: (current) => askInTurn(gateways, (gateway) => askOne(gateway, current, name)),
  });
  const use = (identity: Identity): void => {
    const info = certificateInfo(identity.certificate);
    if (info.ok) expiry.set(info.value.notAfter.getTime() / 1000);
    renewal?.use(identity);
  };
  use(config.credentials);
  return { use, stop: () => renewal?.stop() };
}

type Gateway = AgentConfig['settings']['gateways'][number];

/** Read when it is needed, every few weeks: what makes certificate requests would be a quarter of the agent's memory. */
async function readJoining() {
  const [{ renew }, { endpointOf, writeIdentity }] = await Promise.all([import('../join/client.js'), import('./join-command.js')]);
  return { renew, endpointOf, writeIdentity };
}

async function askOne(gateway: Gateway, current: Identity, name: string): Promise<Result<Identity, string>> {
  const { renew, endpointOf } = await readJoining();
  const endpoint = await endpointOf(gateway, gateway.proxy);
  return endpoint.ok ? renew(endpoint.value, current, name) : endpoint;
}

/** The first that gives one; agents begin with different gateways. */
async function askInTurn(gateways: readonly Gateway[], ask: (gateway: Gateway) => Promise<Result<Identity, string>>): Promise<Result<Identity, string>> {
  const start = Math.floor(Math.random() * gateways.length);
  const faults: string[] = [];
  for (const gateway of [...gateways.slice(start), ...gateways.slice(0, start)]) {
    const answer = await ask(gateway);
    if (answer.ok) return answer;
    faults.push(answer.error);
  }
  return err(faults.join('; '));
}
