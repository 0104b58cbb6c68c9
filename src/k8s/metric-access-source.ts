import type { KubeConfig } from '@kubernetes/client-node';
import type { DesiredState, QueryGrant } from '../model/desired-state.js';
import type { Logger } from '../lib/logger.js';
import { metricAccessStatus } from './status.js';
import { watchObjects } from './objects.js';
import { createStatusWriter } from './status-writer.js';
import { createTranslate } from './translate.js';
import type { TranslationRules } from './translate.js';

/**
 * MetricAccess in a cluster as a source of query grants, beside the file: the file says which tenants there are and what a namespace
 * may ask for at most, the objects ask.
 */

export interface MetricAccessSourceOptions {
  readonly kubeConfig: KubeConfig;
  /** Undefined = all, which needs a ClusterRole. */
  readonly namespace: string | undefined;
  readonly rules: TranslationRules;
  /** By tenant, all of them; not called before the whole list is known. */
  readonly onGrants: (grants: ReadonlyMap<string, readonly QueryGrant[]>) => void;
  readonly logger: Logger;
}

export interface MetricAccessSource {
  synced(): boolean;
  /** When tenants or their terms have changed. */
  setRules(rules: TranslationRules): void;
  close(): Promise<void>;
}

const METRIC_ACCESS = { group: 'observability.ethos.io', version: 'v1alpha1', plural: 'metricaccesses' };

export function startMetricAccessSource({ kubeConfig, namespace, rules, onGrants, logger }: MetricAccessSourceOptions): MetricAccessSource {
  const writer = createStatusWriter({ kubeConfig, kind: METRIC_ACCESS, logger });
  let translate = createTranslate(rules);
  let known: readonly unknown[] = [];

  function update(objects: readonly unknown[]): void {
    known = objects;
    const { grants, verdicts } = translate(objects);
    onGrants(grants);
    const statuses = new Map(objects.map((object) => [keyOf(get(object, 'metadata')), get(object, 'status')]));
    for (const verdict of verdicts) {
      const status = metricAccessStatus(verdict, statuses.get(keyOf(verdict.object)), Date.now());
      if (status !== undefined) writer.write(verdict.object, status);
    }
  }

  const watched = watchObjects({ kubeConfig, kind: METRIC_ACCESS, namespace, onChange: update, logger });
  return {
    synced: watched.synced,
    setRules: (next) => {
      translate = createTranslate(next);
      if (watched.synced()) update(known);
    },
    close: async () => {
      await watched.close();
      await writer.close();
    },
  };
}

/** The state of the file, with what the objects give its tenants. Grants for tenants that it does not have change nothing. */
export function withMetricAccess(state: DesiredState, grants: ReadonlyMap<string, readonly QueryGrant[]>): DesiredState {
  const tenants = state.tenants.map((tenant) => {
    const given = grants.get(tenant.name) ?? [];
    return given.length === 0 ? tenant : { ...tenant, query: [...(tenant.query ?? []), ...given] };
  });
  return { ...state, tenants };
}

function get(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

/** Neither part can contain a slash. */
function keyOf(metadata: unknown): string {
  return `${String(get(metadata, 'namespace'))}/${String(get(metadata, 'name'))}`;
}
