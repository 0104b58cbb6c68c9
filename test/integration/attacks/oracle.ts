import { FieldCursor } from '../../../src/lib/wire.js';
import { unpack } from '../../../src/remotewrite/snappy.js';
import { fetchRaw } from '../../support/http.js';
import type { RecordedRequest } from '../../support/recording-proxy.js';

/**
 * What may reach a server of everybody's for tenants that may see `ns="a"` and nothing else, judged by the server's own parser: each selector of
 * each question must hold to that label. Questions that are not about series are few, and each is listed.
 */

/** Of an attack that has got through: what is wrong. None: nothing is. */
export interface Oracle {
  faults(requests: readonly RecordedRequest[]): Promise<readonly string[]>;
}

/** Headers that our own client writes. */
const HEADERS: ReadonlySet<string> = new Set(['host', 'connection', 'content-type', 'content-length', 'content-encoding', 'transfer-encoding', 'user-agent', 'accept', 'x-prometheus-remote-read-version']);
const QUERIES: ReadonlySet<string> = new Set(['/api/v1/query', '/api/v1/query_range', '/api/v1/query_exemplars']);
const SELECTIONS = /^\/(?:api\/v1\/(?:series|labels|label\/[^/]+\/values|search\/[a-z_]+)|federate)$/;
/** Answered in full to the gateway, which gives on what is the tenant's. */
const FILTERED: ReadonlySet<string> = new Set(['/api/v1/metadata', '/api/v1/rules', '/api/v1/targets', '/api/v1/targets/metadata']);
const WITHOUT_DATA: ReadonlySet<string> = new Set(['/api/v1/status/buildinfo', '/api/v1/parse_query', '/api/v1/format_query']);
/** Beside what each question must have. */
const PARAMETERS: ReadonlySet<string> = new Set(['query', 'match[]', 'time', 'start', 'end', 'step', 'timeout', 'limit', 'lookback_delta', 'stats', 'search[]', 'label', 'metric', 'state', 'type', 'rule_name[]', 'rule_group[]', 'file[]', 'fuzz_threshold', 'fuzz_alg', 'sort_by', 'nocache']);

export function createOracle(prometheus: string): Oracle {
  const known = new Map<string, Promise<string | undefined>>();

  async function judge(text: string): Promise<string | undefined> {
    const { body } = await fetchRaw({ url: `${prometheus}/api/v1/parse_query`, method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams({ query: text }).toString() });
    const answer: { readonly status: string; readonly data?: unknown } = JSON.parse(body.toString());
    // What the server cannot read, it does not answer.
    return answer.status === 'success' ? openSelector(answer.data) : undefined;
  }

  function openIn(text: string): Promise<string | undefined> {
    const found = known.get(text) ?? judge(text);
    known.set(text, found);
    return found;
  }

  async function faultOf(request: RecordedRequest): Promise<string | undefined> {
    const foreign = Object.keys(request.headers).find((name) => !HEADERS.has(name));
    if (foreign !== undefined) return `the header ${foreign}`;
    const url = new URL(request.url, prometheus);
    const { pathname } = url;
    if (`${pathname}${url.search}` !== request.url) return 'a path in another spelling';
    if (pathname === '/api/v1/read') return readFault(request.body);
    if (request.method === 'POST' && url.search !== '') return 'parameters in the URL of a POST';
    const parameters = request.method === 'POST' ? new URLSearchParams(request.body.toString()) : url.searchParams;
    const names = [...parameters.keys()];
    const unknown = names.find((name) => !PARAMETERS.has(name));
    if (unknown !== undefined) return `the parameter ${unknown}`;
    const twice = names.find((name, index) => !name.endsWith('[]') && names.indexOf(name) !== index);
    if (twice !== undefined) return `the parameter ${twice} twice`;
    if (FILTERED.has(pathname)) return request.method === 'GET' ? undefined : request.method;
    if (WITHOUT_DATA.has(pathname)) return undefined;
    const texts = QUERIES.has(pathname) ? parameters.getAll('query') : SELECTIONS.test(pathname) ? parameters.getAll('match[]') : [];
    if (texts.length === 0) return 'a question that nobody asks';
    for (const text of texts) {
      const open = await openIn(text);
      if (open !== undefined) return `${text}: ${open}`;
    }
    return undefined;
  }

  return {
    faults: async (requests) => {
      const faults: string[] = [];
      for (const request of requests) {
        const fault = await faultOf(request);
        if (fault !== undefined) faults.push(`${request.method} ${request.url}: ${fault}`);
      }
      return faults;
    },
  };
}

interface Matcher {
  readonly name?: unknown;
  readonly type?: unknown;
  readonly value?: unknown;
}

/** The first selector of a tree of `parse_query` that is not held to the tenant's label. */
function openSelector(node: unknown): string | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  if ('matchers' in node && Array.isArray(node.matchers) && !isHeld(node.matchers)) return JSON.stringify(node.matchers);
  for (const child of Object.values(node)) {
    const open = openSelector(child);
    if (open !== undefined) return open;
  }
  return undefined;
}

/** To the label, or to nothing at all. */
function isHeld(matchers: readonly Matcher[]): boolean {
  const equalities = matchers.filter(({ type }) => type === '=');
  const contradicts = equalities.some((one) => equalities.some((other) => other.name === one.name && other.value !== one.value));
  return contradicts || matchers.some(({ name, type, value }) => name === 'ns' && value === 'a' && (type === '=' || type === '=~'));
}

const OPS = ['=', '!=', '=~', '!~'];

async function readFault(body: Buffer): Promise<string | undefined> {
  const message = await unpack(body, 1e8);
  if (!message.ok) return 'a message that is not packed';
  const request = new FieldCursor(message.value).enter(0, message.value.length);
  while (request.next()) {
    if (request.field !== 1) continue;
    const query = request.inside();
    const matchers: Matcher[] = [];
    while (query.next()) {
      if (query.field !== 3) continue;
      const fields = query.inside();
      const matcher = { type: '=', name: '', value: '' };
      while (fields.next()) {
        if (fields.field === 1) matcher.type = OPS[fields.number()] ?? '?';
        else if (fields.field === 2) matcher.name = fields.text();
        else matcher.value = fields.text();
      }
      matchers.push(matcher);
    }
    if (!isHeld(matchers)) return `a read of ${JSON.stringify(matchers)}`;
  }
  return request.failed ? 'a message that cannot be read' : undefined;
}
