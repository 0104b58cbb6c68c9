import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { compilePolicy } from '../authz/compile.js';
import { decide } from '../authz/decide.js';
import { explainScrape } from '../authz/explain.js';
import { explainIdentity } from '../authz/explain-identity.js';
import { identify } from '../authz/identity.js';
import { Inventory } from '../authz/inventory.js';
import { createPasswordChecker } from '../credentials/password.js';
import { createServiceAccounts } from '../authz/service-accounts.js';
import { loadGatewayConfig } from '../config/gateway-config.js';
import type { GatewayConfig } from '../config/gateway-config.js';
import { readMemory } from '../discovery/memory-file.js';
import { systemClock } from '../lib/clock.js';
import { silentLogger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import { compileTargetLimits } from '../model/target-limits.js';
import { siteOffer } from '../model/sites.js';
import type { Target } from '../model/target.js';
import { explainQuery } from '../query/explain.js';
import { validateTargets } from '../tunnel/targets.js';
import { parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';
import { firstLoad } from './config-life.js';
import { environment } from './environment.js';
import { questionFrom } from './request-file.js';
import { createTokenReviews } from './token-reviews.js';

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  tenant: { type: 'string' },
  target: { type: 'string' },
  label: { type: 'string', multiple: true },
  request: { type: 'string' },
  certificate: { type: 'string' },
  query: { type: 'string' },
  backend: { type: 'string' },
} as const;

/** Exit codes: 0 allowed, 3 refused, as for `kubectl auth can-i`, but apart from what a bad command line gives. */
const REFUSED = 3;
const MAX_REMEMBERED_TARGETS = 100_000;

export const explainCommand: Command = {
  name: 'explain',
  usage: 'explain -c FILE --tenant T --target AGENT/TARGET [--label NAME=VALUE…] | explain -c FILE --request FILE [--certificate PEM] | explain -c FILE --tenant T --query EXPR [--backend NAME]',
  summary: 'Which rule decides, and which nearly did; or who a request would be and what it would get',
  run: async (argv) => {
    const { values } = parseCommandLine(argv, OPTIONS);
    const { config: file } = values;
    if (file === undefined) throw new UsageError('-c FILE is missing');
    const config = await firstLoad(file, (path) => loadGatewayConfig(path, environment()));
    if (config === undefined) return 1;
    const offered = await offeredTargets(config.value);
    if (values.request !== undefined) return explainRequest(config.value, offered, { file: values.request, certificate: values.certificate });
    if (values.tenant !== undefined && values.query !== undefined) return explainExpression(config.value, { tenant: values.tenant, query: values.query, backend: values.backend });
    if (values.tenant === undefined || values.target === undefined) throw new UsageError('expected --tenant and --target, --tenant and --query, or --request');
    return explainTarget(config.value, offered, { tenant: values.tenant, target: values.target, labels: values.label });
  },
};

type Offered = ReadonlyMap<string, readonly Target[]>;

/** What agents have registered at the running gateway, or at the last one that ran: it keeps it in its runtimeDir. */
async function offeredTargets({ process: { runtimeDir } }: GatewayConfig): Promise<Offered> {
  const remembered = await readMemory({
    path: join(runtimeDir, 'registrations.json'),
    logger: silentLogger,
    clock: systemClock,
    validate: (targets) => validateTargets(targets, { maxTargets: MAX_REMEMBERED_TARGETS }).accepted,
  });
  return new Map(remembered.map(({ agent, targets }) => [agent, targets]));
}

/** Who offers the target: one agent, or the members of a site in the order in which they are asked. */
function offerOf({ sites = [] }: GatewayConfig['state'], offered: Offered, agent: string, targetName: string): { readonly registered: Target | undefined; readonly members: readonly string[] } {
  const site = sites.find(({ name }) => name === agent);
  if (site === undefined) return { registered: offered.get(agent)?.find(({ name }) => name === targetName), members: [] };
  const found = siteOffer(site, offered).get(targetName);
  return { registered: found?.target, members: found?.members.map((member) => member.agent) ?? [] };
}

function explainTarget({ state }: GatewayConfig, offered: Offered, asked: { readonly tenant: string; readonly target: string; readonly labels: readonly string[] | undefined }): number {
  const [agent = '', targetName = '', ...rest] = asked.target.split('/');
  if (targetName === '' || rest.length > 0) throw new UsageError('--target must be AGENT/TARGET');
  const { registered, members } = offerOf(state, offered, agent, targetName);
  const target = asked.labels === undefined ? registered : { ...(registered ?? supposed(targetName)), labels: readLabels(asked.labels) };
  const { allowed, steps } = explainScrape(state, { tenant: asked.tenant, agent, targetName, target });
  for (const { outcome, rule, why } of steps) print(`${MARKS[outcome]} ${rule}: ${why}`);
  if (allowed && members.length > 0) print(`asked in this order: ${members.join(', ')}`);
  print(allowed ? 'allowed' : 'refused');
  if (allowed && target !== undefined) printLimits(state, agent, target);
  return allowed ? 0 : REFUSED;
}

/** What templates allow there, beside the tenant's own limits. */
function printLimits(state: DesiredState, agent: string, target: Target): void {
  for (const [name, value] of Object.entries(compileTargetLimits(state)(agent, target) ?? {})) if (value !== undefined) print(`  by template: ${name} ${value}`);
}

/** What a query becomes for a tenant, selector by selector. */
function explainExpression({ state }: GatewayConfig, { tenant, query, backend }: { readonly tenant: string; readonly query: string; readonly backend: string | undefined }): number {
  const name = backend ?? state.backends?.[0]?.name;
  if (name === undefined) throw new UsageError('no backend is configured');
  const { rewritten, selectors, refusal } = explainQuery(state, tenant, name, query);
  print(`backend: ${name}`);
  for (const { selector, outcome, rules } of selectors) print(`  ${selector}: ${outcome}${rules.length === 0 ? '' : `, by ${rules.join(' or ')}`}`);
  if (rewritten !== undefined) print(rewritten);
  if (refusal !== undefined) print(`refused: ${refusal.reason}${refusal.detail === undefined ? '' : `: ${refusal.detail}`}`);
  return refusal === undefined ? 0 : REFUSED;
}

const MARKS = { ok: '  ', no: '  ', decides: '=>' } as const;

/** A target that has not registered (yet), with the labels that it is supposed to have. */
function supposed(name: string): Target {
  return { name, scheme: 'http', host: 'unknown', port: 80, path: '/metrics', labels: {} };
}

function readLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
      if (name === undefined || value === undefined) throw new UsageError(`--label must be NAME=VALUE, not "${text}"`);
      return [name, value];
    }),
  );
}

async function explainRequest({ state }: GatewayConfig, offered: Offered, { file, certificate }: { readonly file: string; readonly certificate: string | undefined }): Promise<number> {
  const question = questionFrom(await readFile(file, 'utf8'), certificate === undefined ? undefined : await readFile(certificate, 'utf8'), state.gateway.names);
  if (!question.ok) throw new UsageError(`${file}: ${question.error}`);
  const policy = compilePolicy(state);
  const serviceAccounts = createServiceAccounts({ ask: createTokenReviews({ logger: silentLogger, registry: new Registry(), spec: state.gateway.tokenReview }).review });
  serviceAccounts.configure(state.gateway.tokenReview);
  const checks = { passwords: createPasswordChecker(), serviceAccounts };
  const inventory = new Inventory();
  inventory.setRights(policy.rights, policy.sites);
  for (const [agent, targets] of offered) inventory.register(agent, targets);
  print(`door: ${question.value.door}`);
  const shown = await explainIdentity(policy, checks, question.value, Date.now());
  if (shown.length === 0) print('no credential is shown');
  for (const { what, ok, why } of shown) print(`${ok ? 'ok  ' : 'FAIL'} ${what}: ${why}`);
  const caller = await identify(policy, checks, question.value, Date.now());
  const decision = decide(question.value, caller, { inventory, limits: state.gateway.limits, limitsOf: policy.limitsOf, queriers: policy.queriers, pushers: policy.pushers });
  const { tenant, agent, target, rule } = decision.audit;
  print(`caller: ${caller.kind === 'stranger' ? `nobody (${caller.reason})` : (tenant ?? agent ?? '')}`);
  if (agent !== undefined && target !== undefined) print(`target: ${agent}/${target}`);
  if (rule !== undefined) print(`rule: ${rule}`);
  print(decision.allow ? 'allowed' : `refused: ${decision.reason}`);
  return decision.allow ? 0 : REFUSED;
}
