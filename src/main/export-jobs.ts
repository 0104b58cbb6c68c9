import type { ExportJob } from '../export/job.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { DesiredState, TenantExport } from '../model/desired-state.js';
import { matchersOf } from '../promql/ast.js';
import type { Matcher } from '../promql/ast.js';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { compilePolicy } from '../promql/enforce/policy.js';
import { parse } from '../promql/parse.js';
import { print } from '../promql/print.js';
import { viewOf } from '../query/grants.js';
import { EVERYTHING, restrictMatches } from '../query/match.js';

/**
 * What exports may read is what the tenant may query, by the same code: the export's patterns are treated as a `match[]` of the tenant's
 * would be. An export whose backend, destination or grant is missing reads nothing.
 */

/** All exports of all tenants; `onFault` is told why one of them reads nothing. */
export function exportJobs(state: DesiredState, onFault: (tenant: string, name: string, why: string) => void): readonly ExportJob[] {
  return state.tenants.flatMap(({ name: tenant, exports = [] }) =>
    exports.flatMap((spec): readonly ExportJob[] => {
      const backend = state.backends?.find(({ name }) => name === spec.backend);
      const destination = state.exportDestinations?.find(({ name }) => name === spec.destination);
      const rules = allowedRules(state, tenant, spec);
      if (!rules.ok) onFault(tenant, spec.name, rules.error);
      return backend === undefined || destination === undefined ? [] : [{ tenant, spec, backend, destination, rules: rules.ok ? rules.value : [] }];
    }),
  );
}

export function allowedRules(state: DesiredState, tenant: string, { backend, metrics }: TenantExport): Result<readonly (readonly Matcher[])[], string> {
  const view = viewOf(state, tenant, backend);
  if (view === undefined) return err(`the tenant may query nothing of the backend "${backend}"`);
  const wanted: string[] = [];
  for (const pattern of metrics ?? []) {
    const compiled = compilePolicy([{ metric: readMetricPattern(pattern), labels: [] }]);
    const [rule] = compiled.ok ? compiled.value.rules : [];
    // `.*` means all that is allowed, which is what the empty rule says too
    if (!compiled.ok && pattern !== '.*') return err(`"${pattern}" is no metric pattern`);
    wanted.push(print({ ...EVERYTHING, matchers: (rule ?? []).map(({ matcher }) => matcher) }));
  }
  const selectors = restrictMatches(wanted.includes('{}') ? [] : wanted, view.policy, view.limits);
  if (!selectors.ok) return err(selectors.error.detail ?? selectors.error.reason);
  return ok(selectors.value.map(matchersIn));
}

/** Of a selector that we have printed. */
function matchersIn(selector: string): readonly Matcher[] {
  const parsed = parse(selector, { maxLength: selector.length });
  if (!parsed.ok || parsed.value.kind !== 'vector') throw new Error(`not a selector: ${selector}`);
  return matchersOf(parsed.value);
}
