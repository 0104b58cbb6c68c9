import { ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { Endpoint, Plan, Question, ReadAnswer, UpstreamRequest } from '../endpoint.js';
import type { Form } from '../form.js';
import { isObject, pick, textOf } from '../json.js';
import { jsonReply, refuse } from '../refusal.js';
import type { Refusal, Reply } from '../refusal.js';
import { isOwnSilence, ownMatchers, visibleAlerts, visibleGroups, visibleReceivers, visibleSilences } from './visible.js';

/**
 * Alertmanager's API v2, as much of it as there is for tenants: lists are filtered by what their entries are about, and what changes
 * something is built anew and must be about the tenant's own alerts. Nobody may send alerts here: that is Prometheus's.
 */

const ALERT_FILTERS = ['active', 'silenced', 'inhibited', 'unprocessed', 'muted', 'filter', 'receiver'];
const SILENCE_INPUT = ['startsAt', 'endsAt', 'createdBy', 'comment'];

export const ALERTMANAGER_ENDPOINTS: readonly Endpoint[] = [
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/alerts', plan: ({ form, policy }) => alerts(form, '/api/v2/alerts', ([list, silences]) => visibleAlerts(list, silences, policy)) },
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/alerts/groups', plan: ({ form, policy }) => alerts(form, '/api/v2/alerts/groups', ([groups, silences]) => visibleGroups(groups, silences, policy)) },
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/receivers', plan: ({ policy }) => talk([get('/api/v2/alerts')], ([list]) => visibleReceivers(list, policy)) },
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/silences', plan: ({ form, policy }) => talk([get('/api/v2/silences', passed(form, ['filter']))], ([list]) => visibleSilences(list, policy)) },
  { api: 'alertmanager', methods: ['POST'], path: '/api/v2/silences', takes: 'json', plan: writeSilence },
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/silence/:id', plan: (question) => withOwnSilence(question, (silence) => ({ reply: json(visibleSilences([silence], question.policy)[0]) })) },
  { api: 'alertmanager', methods: ['DELETE'], path: '/api/v2/silence/:id', plan: (question) => withOwnSilence(question, () => ({ ask: { method: 'DELETE', path: silencePath(question.segment), parameters: [] } })) },
  { api: 'alertmanager', methods: ['GET'], path: '/api/v2/status', plan: () => talk([get('/api/v2/status')], ([status]) => withoutConfiguration(status)) },
];

type Next = Result<{ readonly ask: UpstreamRequest } | { readonly reply: Reply }, Refusal>;

function get(path: string, parameters: UpstreamRequest['parameters'] = []): UpstreamRequest {
  return { method: 'GET', path, parameters };
}

function passed(form: Form, names: readonly string[]): UpstreamRequest['parameters'] {
  return names.flatMap((name) => form.all(name).map((value) => [name, value] as const));
}

function json(value: unknown): Reply {
  return jsonReply(JSON.stringify(value));
}

function alerts(form: Form, path: string, filter: (lists: readonly unknown[]) => unknown): Result<Plan, Refusal> {
  return talk([get(path, passed(form, ALERT_FILTERS)), get('/api/v2/silences')], filter);
}

/** All of `requests`, and of their answers one. */
function talk(requests: readonly UpstreamRequest[], make: (values: readonly unknown[]) => unknown): Result<Plan, Refusal> {
  return ok({
    kind: 'talk',
    next: (answers): Next => {
      const last = answers.at(-1);
      if (last !== undefined && last.status !== 200) return refused(last);
      const request = requests[answers.length];
      return ok(request === undefined ? { reply: json(make(answers.map(({ value }) => value))) } : { ask: request });
    },
  });
}

/** What Alertmanager says of a bad request is about the request, which holds nothing that the caller has not sent. */
function refused({ status, value }: ReadAnswer): Next {
  if (status === 400 || status === 422) return refuse('query_malformed', typeof value === 'string' ? value : isObject(value) ? textOf(value.message) : undefined);
  return refuse('query_backend_failed');
}

function silencePath(id: string): string {
  return `/api/v2/silence/${encodeURIComponent(id)}`;
}

/** One that is another's and one that does not exist are the same. */
function withOwnSilence({ segment, policy }: Question, then: (silence: unknown) => { readonly ask: UpstreamRequest } | { readonly reply: Reply }): Result<Plan, Refusal> {
  return ok({
    kind: 'talk',
    next: ([found, changed]): Next => {
      if (found === undefined) return ok({ ask: get(silencePath(segment)) });
      if (changed !== undefined) return changed.status === 200 ? ok({ reply: json({}) }) : refused(changed);
      return isOwn(found, policy) ? ok(then(found.value)) : ok({ reply: notFound(segment) });
    },
  });
}

/** A new one, or a new version of one's own. */
function writeSilence({ json: body, policy }: Question): Result<Plan, Refusal> {
  if (!isObject(body)) return refuse('query_malformed', 'a silence is an object');
  const { id = '', matchers } = body;
  if (typeof id !== 'string') return refuse('query_malformed', 'id: a text');
  const own = ownMatchers(matchers, policy);
  if ('fault' in own) return refuse('query_malformed', own.fault);
  const silence = { ...(id !== '' && { id }), ...pick(body, SILENCE_INPUT), matchers: own.matchers };
  const write: UpstreamRequest = { method: 'POST', path: '/api/v2/silences', parameters: [], json: JSON.stringify(silence) };
  return ok({
    kind: 'talk',
    next: (answers): Next => {
      const [first, second] = answers;
      if (id !== '' && first === undefined) return ok({ ask: get(silencePath(id)) });
      if (id !== '' && first !== undefined && !isOwn(first, policy)) return ok({ reply: notFound(id) });
      const written = id === '' ? first : second;
      if (written === undefined) return ok({ ask: write });
      return written.status === 200 && isObject(written.value) ? ok({ reply: json(pick(written.value, ['silenceID'])) }) : refused(written);
    },
  });
}

function isOwn({ status, value }: ReadAnswer, policy: Question['policy']): boolean {
  return status === 200 && isObject(value) && isOwnSilence(value.matchers, policy);
}

function notFound(id: string): Reply {
  return { ...json(`silence ${id} not found`), status: 404 };
}

/** Grafana asks this to see that it has an Alertmanager before it; the configuration is everybody's. */
function withoutConfiguration(status: unknown): unknown {
  const { versionInfo, uptime } = isObject(status) ? status : {};
  return { cluster: { status: 'disabled', peers: [] }, config: { original: '' }, versionInfo, uptime };
}
