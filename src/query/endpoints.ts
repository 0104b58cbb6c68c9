import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { print } from '../promql/print.js';
import { alertsPlan, rulesPlan } from './alerting.js';
import { ALERTMANAGER_ENDPOINTS } from './alertmanager/endpoints.js';
import type { Endpoint, Plan, Question } from './endpoint.js';
import { groupEvaluation } from './group-plan.js';
import { queryText, readExpression, restrictExpression, restrictQuery } from './expressions.js';
import { restrictMatches } from './match.js';
import { metadataPlan } from './metadata.js';
import { evaluationOptions, instantTimes, rangeTimes, readParameters, windowTimes } from './parameters.js';
import type { EvaluationTimes } from './parameters.js';
import { EXPOSITION_TYPE, JSON_TYPE, refuse, successReply } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';
import { readPlan } from './remote-read/plan.js';
import { searchPlan } from './search.js';
import { scrapePoolsPlan, targetMetadataPlan, targetsPlan } from './targets.js';

/**
 * The one table of what there is on this door. What is not in it does not exist here: administration, status, writing,
 * profiles, the web pages.
 */

const PROMETHEUS_ENDPOINTS: readonly Endpoint[] = [
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/query', plan: (question) => evaluation(question, '/api/v1/query', instantTimes(question.form)) },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/query_range', plan: (question) => evaluation(question, '/api/v1/query_range', rangeTimes(question.form)) },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/query_exemplars', plan: exemplars },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/series', plan: series },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/labels', plan: (question) => labels(question, 'POST', '/api/v1/labels') },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/label/:name/values', plan: (question) => labels(question, 'GET', `/api/v1/label/${encodeURIComponent(question.segment)}/values`) },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/metadata', plan: metadataPlan },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/rules', plan: rulesPlan },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/alerts', plan: alertsPlan },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/targets', plan: targetsPlan },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/targets/metadata', plan: targetMetadataPlan },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/scrape_pools', plan: scrapePoolsPlan },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/search/metric_names', plan: (question) => searchPlan(question, 'metric_names') },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/search/label_names', plan: (question) => searchPlan(question, 'label_names') },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/search/label_values', plan: (question) => searchPlan(question, 'label_values') },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/format_query', plan: (question) => text(question, '/api/v1/format_query') },
  { api: 'prometheus', methods: ['GET', 'POST'], path: '/api/v1/parse_query', plan: (question) => text(question, '/api/v1/parse_query') },
  { api: 'prometheus', methods: ['GET'], path: '/api/v1/status/buildinfo', plan: () => ok(forward('GET', '/api/v1/status/buildinfo', [])) },
  { api: 'prometheus', methods: ['GET'], path: '/federate', plan: federate },
  { api: 'prometheus', methods: ['POST'], path: '/api/v1/read', takes: 'message', plan: readPlan },
];

export const ENDPOINTS: readonly Endpoint[] = [
  ...PROMETHEUS_ENDPOINTS,
  ...ALERTMANAGER_ENDPOINTS,
  { methods: ['GET'], path: '/-/healthy', plan: () => ok(answer(plain('Prometheus Server is Healthy.\n'))) },
  { methods: ['GET'], path: '/-/ready', plan: () => ok(answer(plain('Prometheus Server is Ready.\n'))) },
];

function forward(method: 'GET' | 'POST', path: string, parameters: readonly (readonly [string, string])[], contentType = JSON_TYPE): Plan {
  return { kind: 'forward', request: { method, path, parameters }, contentType };
}

function answer(reply: Reply): Plan {
  return { kind: 'answer', reply };
}

function plain(body: string, contentType = 'text/plain; charset=utf-8'): Reply {
  return { status: 200, headers: { 'content-type': contentType }, body };
}

function evaluation(question: Question, path: '/api/v1/query' | '/api/v1/query_range', times: Result<EvaluationTimes, Refusal>): Result<Plan, Refusal> {
  if (!times.ok) return times;
  const { form, limits, union, group } = question;
  const options = evaluationOptions(form, limits);
  if (!options.ok) return options;
  if (group !== undefined) return groupEvaluation(question, path, { times: times.value, options: options.value, group });
  const restricted = restrictQuery(queryText(form), question, times.value);
  if (!restricted.ok) return restricted;
  const { query, filters } = restricted.value;
  return ok(forward('POST', path, [['query', query], ...(union === 'extra_filters' ? filters : []).map((filter) => ['extra_filters[]', filter] as const), ...times.value.parameters, ...options.value]));
}

/** Prometheus takes all selectors of the query and nothing else. */
function exemplars(question: Question): Result<Plan, Refusal> {
  const window = windowTimes(question.form);
  if (!window.ok) return window;
  const restricted = restrictExpression(queryText(question.form), question, { rangeMs: 0, stepMs: 0 });
  return restricted.ok ? ok(forward('POST', '/api/v1/query_exemplars', [['query', restricted.value.query], ...window.value])) : restricted;
}

function series(question: Question): Result<Plan, Refusal> {
  if (question.form.all('match[]').length === 0) return refuse('query_malformed', 'no match[] parameter provided');
  return labels(question, 'POST', '/api/v1/series');
}

function labels({ form, policy, limits }: Question, method: 'GET' | 'POST', path: string): Result<Plan, Refusal> {
  const window = windowTimes(form);
  if (!window.ok) return window;
  const limit = readParameters(form, ['limit']);
  if (!limit.ok) return limit;
  const matches = restrictMatches(form.all('match[]'), policy, limits);
  if (!matches.ok) return matches;
  if (matches.value.length === 0) return ok(answer(successReply([])));
  return ok(forward(method, path, [...matchParameters(matches.value), ...window.value, ...limit.value]));
}

function federate({ form, policy, limits }: Question): Result<Plan, Refusal> {
  const matches = restrictMatches(form.all('match[]'), policy, limits);
  if (!matches.ok) return matches;
  if (matches.value.length === 0) return ok(answer(plain('', EXPOSITION_TYPE)));
  return ok(forward('GET', '/federate', matchParameters(matches.value), EXPOSITION_TYPE));
}

function matchParameters(selectors: readonly string[]): readonly (readonly [string, string])[] {
  return selectors.map((selector) => ['match[]', selector] as const);
}

/** About the text only. What we understood is sent, not what was written. */
function text({ form, ...view }: Question, path: string): Result<Plan, Refusal> {
  const expr = readExpression(queryText(form), view);
  return expr.ok ? ok(forward('POST', path, [['query', print(expr.value)]])) : expr;
}
