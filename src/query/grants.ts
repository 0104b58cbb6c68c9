import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import type { Backend, BackendGroup, DesiredState, QueryGrant, QueryLimits } from '../model/desired-state.js';
import type { Matcher } from '../promql/ast.js';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import type { Policy, Rule } from '../promql/enforce/policy.js';
import { featuresOf } from '../promql/features.js';
import type { Features } from '../promql/features.js';
import { printMatcher } from '../promql/print.js';
import type { Memory } from './known-queries.js';
import { limitsOf } from './limits.js';
import type { Limits } from './limits.js';

/**
 * From what the operator wrote to the policy of one tenant at one backend. A pattern that cannot be read is a fault and allows
 * nothing; the others stay in force (facts/metricaccess.md §3).
 */

export interface View {
  readonly policy: Policy;
  /** What the operator wrote, for each of the policy's rules. */
  readonly ruleNames: readonly string[];
  readonly limits: Limits;
  readonly union: NonNullable<Backend['union']>;
  /** Syntax that may be asked. */
  readonly features: Features;
  readonly api: NonNullable<Backend['api']>;
  /** Where it is several backends in one. */
  readonly group?: BackendGroup | undefined;
  /** Until then the rules are only tried out (dry-run.ts). */
  readonly dryRunUntilMs?: number | undefined;
  /** What was made of queries under these rules and limits before; undefined = nothing is remembered. */
  readonly known?: Memory;
}

/** Undefined: no such tenant or backend, or no grant for it. */
export function viewOf(state: DesiredState, tenantName: string, backend: string, general?: QueryLimits): View | undefined {
  const tenant = state.tenants.find(({ name }) => name === tenantName);
  const group = state.backendGroups?.find(({ name }) => name === backend);
  // Members of all kinds understand what is written into the query.
  const known = group === undefined ? state.backends?.find(({ name }) => name === backend) : { timeoutMs: timeoutOf(group, state), union: 'rewrite' as const, api: 'prometheus' as const, features: sharedFeatures(group, state) };
  const grants = tenant?.query?.filter(({ backends }) => backends === undefined || backends.includes(backend)) ?? [];
  if (tenant === undefined || known === undefined || grants.length === 0) return undefined;
  const rules: Rule[] = [];
  const ruleNames: string[] = [];
  for (const grant of grants) {
    for (const pattern of grant.metrics) {
      const compiled = compileGrant(pattern, grant.labels);
      if (!compiled.ok) continue;
      for (const rule of compiled.value.rules) {
        rules.push(rule);
        ruleNames.push(nameOf(pattern, grant.labels));
      }
    }
  }
  const limits = limitsOf(tenant.limits.query, general);
  return { policy: { rules }, ruleNames, limits: { ...limits, timeoutMs: Math.min(limits.timeoutMs, known.timeoutMs) }, union: known.union ?? 'rewrite', features: featuresOf(known.features ?? []), api: known.api ?? 'prometheus', group, dryRunUntilMs: tenant.queryDryRunUntilMs };
}

/** The most patient member's. */
function timeoutOf({ members }: BackendGroup, { backends = [] }: DesiredState): number {
  return Math.max(0, ...backends.flatMap(({ name, timeoutMs }) => (members.includes(name) ? [timeoutMs] : [])));
}

/** What all members take. */
function sharedFeatures({ members }: BackendGroup, { backends = [] }: DesiredState): readonly string[] {
  const [first = [], ...others] = members.map((member) => backends.find(({ name }) => name === member)?.features ?? []);
  return first.filter((feature) => others.every((features) => features.includes(feature)));
}

/** What is wrong with a tenant's patterns; for the configuration's check, and for whoever logs. */
export function queryGrantFaults(grants: readonly QueryGrant[]): readonly Fault[] {
  return grants.flatMap(({ metrics, labels }, at) =>
    metrics.flatMap((pattern, index): readonly Fault[] => {
      const compiled = compileGrant(pattern, labels);
      return compiled.ok ? [] : [{ place: `query[${at}].metrics[${index}]`, message: `"${pattern}" is no metric pattern: ${compiled.error}` }];
    }),
  );
}

function compileGrant(pattern: string, labels: QueryGrant['labels']): Result<Policy, string> {
  const compiled = compilePolicy([{ metric: readMetricPattern(pattern), labels: matchersFor(labels) }]);
  return compiled.ok ? ok(compiled.value) : err(compiled.error.map(({ message }) => message).join('; '));
}

function matchersFor(labels: QueryGrant['labels']): readonly Matcher[] {
  return Object.entries(labels).map(([name, value]): Matcher => ({ name, op: '=', value }));
}

function nameOf(pattern: string, labels: QueryGrant['labels']): string {
  const matchers = matchersFor(labels);
  return matchers.length === 0 ? pattern : `${pattern} and {${matchers.map(printMatcher).join(',')}}`;
}
