import type { DesiredState } from '../../src/model/desired-state.js';
import { viewOf } from '../../src/query/grants.js';
import { formOf, routeOf } from '../../src/query/route.js';
import type { Question } from './questions.js';

/** A question as bytes: as a tenant asks it, and as it stands once the rules are in it. Pure. */

export interface WireRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly form: string;
}

/**
 * As Grafana does it: queries as a form in a POST, what the label browser asks in a URL. prom-label-proxy adds its matcher to the body of a POST and to its
 * URL, where none was: Prometheus takes either, so that a POST to `series` there is answered with all series of the label.
 */
export function asAsked({ path, parameters }: Question): WireRequest {
  return { method: path.startsWith('/api/v1/query') ? 'POST' : 'GET', path, form: new URLSearchParams(parameters).toString() };
}

/** What the door asks of its backend: whoever asks the server itself this has the same answer, and the server the same work. */
export function restricted(question: Question, state: DesiredState, tenant: string, backend: string): WireRequest {
  const { method, form } = asAsked(question);
  const route = routeOf(`/query/${backend}${question.path}?${form}`, method);
  const view = viewOf(state, tenant, backend);
  const read = formOf(Buffer.alloc(0), route?.query ?? '');
  if (view === undefined || route?.endpoint === undefined || !read.ok) throw new Error(`${question.name} is no question of this door`);
  const plan = route.endpoint.plan({ ...view, form: read.value, json: undefined, message: undefined, segment: route.segment });
  if (!plan.ok || plan.value.kind !== 'forward') throw new Error(`${question.name} is not passed on: ${JSON.stringify(plan)}`);
  const { path, parameters } = plan.value.request;
  return { method, path, form: new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value])).toString() };
}

export function bytesOf({ method, path, form }: WireRequest, host: string, headers: readonly string[]): string {
  const inUrl = method === 'GET';
  const more = inUrl ? [] : ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${form.length}`];
  return `${[`${method} ${path}${inUrl ? `?${form}` : ''} HTTP/1.1`, `Host: ${host}`, 'User-Agent: Grafana/12.0.0', ...headers, ...more, '\r\n'].join('\r\n')}${inUrl ? '' : form}`;
}
