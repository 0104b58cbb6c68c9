import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import type { Policy } from '../promql/enforce/policy.js';
import { accept, readConditions } from './alerting.js';
import type { Plan, Question, UpstreamRequest } from './endpoint.js';
import { isObject, labelsOf, objectsOf, pick, textOf } from './json.js';
import type { JsonObject } from './json.js';
import { restrictMatches } from './match.js';
import { familyNames, namesRequest, seenNames } from './metadata.js';
import { readParameters } from './parameters.js';
import { refuse, successReply } from './refusal.js';
import type { Refusal } from './refusal.js';
import { readCount } from './values.js';

/**
 * A target is shown to whom its series `up` may be shown. What the target was before relabelling, and what was dropped, is no series and
 * is not told.
 */

const TARGET_FIELDS = ['scrapePool', 'lastScrape', 'lastScrapeDuration', 'health', 'scrapeInterval', 'scrapeTimeout'];
const STATES: ReadonlySet<string> = new Set(['', 'any', 'active', 'dropped']);
const ACTIVE: UpstreamRequest = { method: 'GET', path: '/api/v1/targets', parameters: [['state', 'active']] };

function onlyOf({ group }: Question): Result<undefined, Refusal> {
  return group === undefined ? ok(undefined) : refuse('query_not_distributable', 'targets; ask the backends one by one');
}

export function targetsPlan(question: Question): Result<Plan, Refusal> {
  const alone = onlyOf(question);
  if (!alone.ok) return alone;
  const { form, policy } = question;
  const state = (form.first('state') ?? '').toLowerCase();
  if (!STATES.has(state)) return refuse('query_malformed', 'invalid parameter "state"');
  const pool = form.first('scrapePool') ?? '';
  const visible = (data: unknown): readonly JsonObject[] => visibleTargets(data, policy).filter(({ scrapePool }) => pool === '' || scrapePool === pool);
  return ok({ kind: 'filter', requests: [ACTIVE], filter: ([data]) => ({ activeTargets: state === 'dropped' ? [] : visible(data), droppedTargets: [], droppedTargetCounts: {} }) });
}

export function scrapePoolsPlan(question: Question): Result<Plan, Refusal> {
  const alone = onlyOf(question);
  if (!alone.ok) return alone;
  const pools = (data: unknown): readonly string[] => [...new Set(visibleTargets(data, question.policy).map(({ scrapePool }) => textOf(scrapePool)))].sort();
  return ok({ kind: 'filter', requests: [ACTIVE], filter: ([data]) => ({ scrapePools: pools(data) }) });
}

export function visibleTargets(data: unknown, policy: Policy): readonly JsonObject[] {
  return objectsOf(isObject(data) ? data.activeTargets : undefined).flatMap((target) => {
    const labels = labelsOf(target.labels);
    if (labels === undefined || !isVisible(labels, policy, 'up')) return [];
    const scrapeUrl = withoutSecrets(textOf(target.scrapeUrl));
    const lastError = textOf(target.lastError).replaceAll(textOf(target.scrapeUrl) || '\0', scrapeUrl);
    return [{ ...pick(target, TARGET_FIELDS), discoveredLabels: {}, labels, scrapeUrl, globalUrl: withoutSecrets(textOf(target.globalUrl)), lastError }];
  });
}

function isVisible(labels: Readonly<Record<string, string>>, { rules }: Policy, name: string): boolean {
  return accept(rules, { ...labels, [METRIC_NAME_LABEL]: name });
}

/** Parameters may be tokens. */
function withoutSecrets(text: string): string {
  const url = URL.parse(text);
  return url === null ? '' : `${url.origin}${url.pathname}`;
}

/** As `/api/v1/metadata`, and of each target that is shown only what could be a series of it that is allowed. */
export function targetMetadataPlan(question: Question): Result<Plan, Refusal> {
  const alone = onlyOf(question);
  if (!alone.ok) return alone;
  const { form, policy, limits } = question;
  const matches = restrictMatches([], policy, limits);
  if (!matches.ok) return matches;
  if (matches.value.length === 0) return ok({ kind: 'answer', reply: successReply([]) });
  const known = readParameters(form, ['limit']);
  if (!known.ok) return known;
  const selectors = readConditions((form.first('match_target') ?? '') === '' ? [] : [form.first('match_target') ?? ''], limits);
  if (!selectors.ok) return selectors;
  const asked = form.first('metric') ?? '';
  const limit = readCount(form.first('limit') ?? '') ?? 0;
  return ok({
    kind: 'filter',
    requests: [{ method: 'GET', path: '/api/v1/targets/metadata', parameters: asked === '' ? [] : [['metric', asked]] }, namesRequest(matches.value)],
    filter: ([data, names]) => {
      const seen = seenNames(names);
      const told = objectsOf(data).flatMap((entry) => {
        const labels = labelsOf(entry.target);
        if (labels === undefined || !isVisible(labels, policy, 'up') || (selectors.value.length > 0 && !accept(selectors.value, labels))) return [];
        const own = familyNames(asked === '' ? textOf(entry.metric) : asked, textOf(entry.type)).some((name) => seen.has(name) && isVisible(labels, policy, name));
        return own ? [{ target: labels, ...pick(entry, ['metric', 'type', 'help', 'unit']) }] : [];
      });
      return limit === 0 ? told : told.slice(0, limit);
    },
  });
}
