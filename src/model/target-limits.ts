import type { DesiredState, Template, TemplateLimits } from './desired-state.js';
import { compileSelector } from './selector.js';
import type { Target } from './target.js';

/**
 * What templates allow each tenant at one target, beside what the tenant may use in all. Where several templates match a target, the
 * tightest of each limit holds.
 */
export interface TargetLimits extends Omit<TemplateLimits, 'rate'> {
  /** The template whose rate holds; Envoy counts under its name. */
  readonly rateOf: string | undefined;
}

export type LimitsOf = (agent: string, target: Target) => TargetLimits | undefined;

type Limited = Template & { readonly limits: TemplateLimits };

/** Undefined where no template that matches has limits. Remembered for each target: it is asked with every scrape. */
export function compileTargetLimits({ templates = [] }: Pick<DesiredState, 'templates'>): LimitsOf {
  const limited = templates.filter((template): template is Limited => template.limits !== undefined).map((template) => ({ ...template, test: compileSelector(template.selector) }));
  if (limited.length === 0) return () => undefined;
  const known = new WeakMap<Target, Map<string, TargetLimits | undefined>>();
  return (agent, target) => {
    const ofTarget = known.get(target) ?? new Map<string, TargetLimits | undefined>();
    if (!ofTarget.has(agent)) {
      ofTarget.set(agent, tightest(limited.filter(({ test }) => test({ ...target.labels, agent, target: target.name }))));
      known.set(target, ofTarget);
    }
    return ofTarget.get(agent);
  };
}

function tightest(matching: readonly Limited[]): TargetLimits | undefined {
  if (matching.length === 0) return undefined;
  const least = (of: (limits: TemplateLimits) => number | undefined): number | undefined => {
    const values = matching.flatMap(({ limits }) => of(limits) ?? []);
    return values.length === 0 ? undefined : Math.min(...values);
  };
  const perSecond = least(({ rate }) => rate?.requestsPerSecond);
  return {
    rateOf: matching.find(({ limits }) => limits.rate !== undefined && limits.rate.requestsPerSecond === perSecond)?.name,
    maxConcurrentScrapes: least((limits) => limits.maxConcurrentScrapes),
    maxBodyBytes: least((limits) => limits.maxBodyBytes),
    maxScrapeTimeoutMs: least((limits) => limits.maxScrapeTimeoutMs),
  };
}
