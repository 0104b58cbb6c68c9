import type { Backend, ExportDestination, TenantExport } from '../model/desired-state.js';
import type { Matcher } from '../promql/ast.js';

/** One export with all that it needs, as the configuration has it now. */
export interface ExportJob {
  readonly tenant: string;
  readonly spec: TenantExport;
  readonly backend: Backend;
  readonly destination: ExportDestination;
  /** What is read: series for which all matchers of any one list hold. Made by the query door's enforcement; none = nothing is allowed. */
  readonly rules: readonly (readonly Matcher[])[];
}

/** Identity of an export over changes of what it is. */
export function jobKey({ tenant, spec }: ExportJob): string {
  return JSON.stringify([tenant, spec.name]);
}

/** Equal where the same series come out, with the same labels. */
export function shapeKey({ tenant, spec, destination, rules, backend }: ExportJob): string {
  return JSON.stringify([tenant, backend.name, rules, spec.relabel, spec.extraLabels, spec.honorLabels, destination.tenantLabel ?? null]);
}
