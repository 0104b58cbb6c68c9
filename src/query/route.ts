import type { IncomingHttpHeaders } from 'node:http';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { REMOTE_READ_HEADERS } from '../remoteread/request.js';
import type { Endpoint, Method } from './endpoint.js';
import { ENDPOINTS } from './endpoints.js';
import { decodePercent, readForm } from './form.js';
import type { Form } from './form.js';
import { JSON_TYPE, refuse } from './refusal.js';
import type { Refusal } from './refusal.js';

/**
 * From the bytes of a request to an endpoint and its parameters. Decoded once; the path is one of the table or none. Where servers
 * read the same request in different ways, it is refused.
 */

export interface Route {
  readonly backend: string;
  readonly endpoint: Endpoint | undefined;
  readonly segment: string;
  /** All that there are at this path. */
  readonly methods: readonly Method[];
  /** Undecoded. */
  readonly query: string;
}

export const FORM_TYPE = 'application/x-www-form-urlencoded';

const PATTERNS = ENDPOINTS.map((endpoint) => ({ endpoint, pattern: endpoint.path.split('/').slice(1) }));

/** `/query/<backend>/<path of the API>?…`; undefined where it is not even that. Of endpoints with one path, the one with this method. */
export function routeOf(url: string, method?: string): Route | undefined {
  const mark = url.indexOf('?');
  const [path, query] = mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)];
  const segments = path.split('/').map(decodePercent);
  const [empty, door, backend, ...rest] = segments;
  if (empty !== '' || door !== 'query' || backend === undefined || backend === '' || rest.length === 0) return undefined;
  const found = PATTERNS.flatMap(({ endpoint, pattern }) => {
    const segment = matchPath(pattern, rest);
    return segment === undefined ? [] : [{ endpoint, segment }];
  });
  const { endpoint, segment } = found.find((one) => isAllowed(one.endpoint, method)) ?? found[0] ?? { endpoint: undefined, segment: '' };
  return { backend, endpoint, segment, query, methods: found.flatMap((one) => one.endpoint.methods) };
}

/** What stands for `:name`, '' where the pattern has none; undefined where it does not match. */
function matchPath(pattern: readonly string[], path: readonly (string | undefined)[]): string | undefined {
  if (pattern.length !== path.length) return undefined;
  let found = '';
  for (const [index, expected] of pattern.entries()) {
    const segment = path[index];
    if (expected.startsWith(':')) {
      if (segment === undefined || !isLabelName(segment)) return undefined;
      found = segment;
    } else if (segment !== expected) return undefined;
  }
  return found;
}

/** Any text that stays one segment when it is encoded again. */
function isLabelName(segment: string): boolean {
  return segment !== '' && segment !== '.' && segment !== '..' && !segment.includes('/');
}

/** With this method? */
export function isAllowed(endpoint: Endpoint, method: string | undefined): method is Method {
  return endpoint.methods.some((allowed) => allowed === method);
}

/** Type and encoding of the bodies that endpoints take. */
const BODIES: Readonly<Record<NonNullable<Endpoint['takes']> | 'form', readonly [type: string, encoding: string]>> = {
  form: [FORM_TYPE, 'identity'],
  json: [JSON_TYPE, 'identity'],
  message: [REMOTE_READ_HEADERS['content-type'], REMOTE_READ_HEADERS['content-encoding']],
};

/** Must a body be read, and is it of a kind that all servers read alike? */
export function bodyKind(method: Method, headers: IncomingHttpHeaders, takes: Endpoint['takes']): Result<'none' | 'read', Refusal> {
  const length = headers['content-length'];
  const hasBody = headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
  if (!hasBody) return ok('none');
  if (method !== 'POST') return refuse('query_malformed', `${method} with a body`);
  const [expected, encoding] = BODIES[takes ?? 'form'];
  if ((headers['content-encoding'] ?? 'identity') !== encoding) return refuse('query_malformed', encoding === 'identity' ? 'an encoded body' : `the body must be encoded with ${encoding}`);
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';').map((part) => part.trim());
  const isUtf8 = parameters.every((parameter) => parameter === '' || parameter === 'charset=utf-8' || parameter === 'charset="utf-8"');
  return type === expected && isUtf8 ? ok('read') : refuse('query_malformed', `the body must be ${expected}`);
}

export function formOf(body: Buffer, query: string): Result<Form, Refusal> {
  const form = readForm(body.toString('utf8'), query);
  return form.ok ? form : err({ reason: 'query_malformed', detail: form.error });
}
