import { deflateRawSync, gzipSync } from 'node:zlib';

/** Requests that servers read in different ways, or that reach for what is no query at all. Each is to be made with the tenant's own credentials. */

export interface RequestAttack {
  readonly title: string;
  readonly method?: string;
  /** Below the backend's place. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

const FORM = 'application/x-www-form-urlencoded';
const QUERY = '/api/v1/query';

const get = (path: string, headers: Readonly<Record<string, string>> = {}): RequestAttack => ({ title: `GET ${path} ${JSON.stringify(headers)}`, path, headers });

function post(path: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}, method = 'POST'): RequestAttack {
  const all = { 'content-type': FORM, 'content-length': String(Buffer.byteLength(body)), ...headers };
  return { title: `${method} ${path} ${JSON.stringify(headers)} ${body.toString('latin1').slice(0, 80)}`, method, path, headers: all, body };
}

const BRACES = encodeURIComponent('{__name__=~".+"}');
const OTHER = encodeURIComponent('{ns="b"}');

/** Of one parameter, in URL and body, more than once, and under names that are nearly its own. */
const PARAMETERS: readonly RequestAttack[] = [
  ...['query=x&query=secret', 'query=secret&query=x', 'query=&query=secret', 'query&query=secret', 'query=x&Query=secret', 'QUERY=secret', 'query%00=secret&query=x', '%71uery=secret', 'query=x%00secret', 'query=x%0d%0aor%20secret', 'query=x+or+secret', 'query=x%2Bsecret', 'query=x;query=secret', 'query=x%3Bquery%3Dsecret', 'query=x%26query=secret', 'query[]=secret', 'query[0]=secret', 'query.x=secret',
    'query=x&amp;query=secret', '&&&query=secret&&', '=secret&query=x', 'query==secret', 'query=secret#x', 'query=x%23%0dor%20secret', 'query=%ff%fe', 'query=%c0%b8', 'query=%u0073ecret', 'query=%', 'query=%7', 'query=secret%', '\u0071uery=secret', 'expr=secret', 'q=secret', 'query=x&time=NaN', 'query=secret&time=Inf', 'query=secret&time=-1e308', 'query=secret&time=9223372036854775807', 'query=secret&time=0x10', 'query=secret&time=1_0',
    'query=secret&lookback_delta=1000000h', 'query=secret&lookback_delta=-1h', 'query=secret&timeout=1000h', 'query=secret&timeout=-1s', 'query=secret&timeout=0', 'query=secret&limit=-1', 'query=secret&limit=99999999999999999999', 'query={q}&stats=all', 'query={q}&stats=all&stats=', 'query={q}&engine=thanos', 'query={q}&explain=1&analyze=1', 'query={q}&dedup=false&partial_response=true&max_source_resolution=1h', 'query={q}&storeMatch[]={q}&replicaLabels[]=ns',
    'query={q}&extra_filters[]={o}', 'query={q}&extra_filters={o}&extra_label=ns=b', 'query={q}&extra_label=ns%3Db&nocache=1&trace=1', 'query={q}&tenant=b&namespace=b&orgId=b&X-Scope-OrgID=b', 'query={q}&db=b&precision=ms', 'query={q}&forceTarget=1&__tenant__=b'].flatMap((text) => {
    const parameters = text.replaceAll('{q}', BRACES).replaceAll('{o}', OTHER);
    return [get(`${QUERY}?${parameters}`), post(QUERY, parameters)];
  }),
  post(`${QUERY}?query=x`, 'query=secret'), post(`${QUERY}?query=secret`, 'query=x'), post(`${QUERY}?query=secret`, ''), post(`${QUERY}?query=secret`, 'query='), post(`${QUERY}?query=secret`, 'time=1'), post(`${QUERY}?%71uery=secret`, 'Query=x'), post(`${QUERY}?query=x&query=secret`, 'query=secret&query=x'), post(`${QUERY}?query=x;query=secret`, ''),
  post(QUERY, '\ufeffquery=secret'), post(QUERY, 'query=secret\r\n'), post(QUERY, 'query=secret\n&query=x'), post(QUERY, 'query=secret\0&query=x'), post(QUERY, Buffer.from([0x71, 0x75, 0x65, 0x72, 0x79, 0x3d, 0xff, 0xfe])), post(QUERY, `${'a=b&'.repeat(5000)}query=secret`), post(QUERY, `query=x&${'query=secret&'.repeat(500)}`), get(`${QUERY}?${'query=secret&'.repeat(500)}`), get(`${QUERY}?query=secret&${'a'.repeat(20_000)}=1`),
  ...['query_range', 'query_exemplars'].flatMap((endpoint) => ['start=0&end=1&step=0', 'start=1&end=0&step=1', 'start=NaN&end=NaN&step=NaN', 'start=-Inf&end=Inf&step=1', 'start=0&end=1e15&step=1', 'start=0&start=1&end=2&step=1&step=0', 'step=1m', 'start=2020-01-01T00:00:00Z&end=2020-01-01T24:00:00Z&step=1s', 'start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z&step=1y', 'start=0&end=1&step=1e-9', 'start=0&end=1&step=-1'].map((times) => get(`/api/v1/${endpoint}?query=${BRACES}&${times}`))),
];

const MATCH_NAMES = ['match[]', 'match%5B%5D', 'match%5b%5d', 'match[0]', 'match[1]', 'match', 'match[][]', 'match%255B%255D', 'Match[]', 'MATCH[]', 'match[ ]', 'match[', 'match]', 'match[]%00', 'match%E2%80%8B[]', 'match%5B]'];
const MATCH_VALUES = ['secret', '{ns="b"}', '{__name__=~".+"}', '{ns!="a",__name__!=""}', '{__name__="secret"}', '{"secret"}', '{ns=~"b|"}', '', '{}', 'x{ns="b"}', 'x or secret', 'secret[5m]', 'secret offset 5m', 'secret @ 1', 'sum(secret)', '(secret)', 'x,secret', '# x\rsecret', '{__name__=~".*"}', '{token!=""}', '{"my.metric"}', '{__name__=~"x|secret",ns=~".*"}'];
const MATCH_PLACES = ['/api/v1/series', '/api/v1/labels', '/api/v1/label/ns/values', '/api/v1/label/__name__/values', '/api/v1/label/token/values', '/federate', '/api/v1/search/metric_names', '/api/v1/search/label_values?label=token', '/api/v1/rules', '/api/v1/targets/metadata'];

/** Selectors, beside nothing, beside an own one, and in both places. */
const MATCHES: readonly RequestAttack[] = [
  ...MATCH_PLACES.flatMap((place, at) => {
    const ask = (parameters: string): RequestAttack => get(`${place}${place.includes('?') ? '&' : '?'}${parameters}`);
    const values = MATCH_VALUES.filter((_, index) => at < 6 || index % 3 === at % 3);
    return [...values.map((value) => ask(`match[]=${encodeURIComponent(value)}`)), ask(''), ask(`match[]=x&match[]=secret`), ask(`match[]=secret&match[]=x`), ask(`match[]=&match[]=${OTHER}`)];
  }),
  ...MATCH_NAMES.flatMap((name) => [get(`/api/v1/series?${name}=secret`), get(`/federate?${name}=${BRACES}`), post('/api/v1/series', `${name}=${OTHER}`), post('/api/v1/labels?match[]=x', `${name}=secret`)]),
  post('/api/v1/series?match[]=secret', 'match[]=x'), post('/api/v1/series?match[]=x', 'match[]=secret'), post('/api/v1/series', ''), post('/api/v1/series', 'match[]='), post('/api/v1/labels?match[]=secret', ''), post('/api/v1/label/ns/values', 'match[]=secret'), post('/federate', 'match[]=secret'),
  get('/api/v1/series?match[]=secret&limit=1&start=0&end=9e9'), get('/api/v1/labels?limit=0&start=NaN'), get('/api/v1/label/ns/values?start=0&end=9e9&limit=-1'), get(`/api/v1/series?${Array.from({ length: 300 }, (_, index) => `match[]=s${index}`).join('&')}&match[]=secret`),
];

const LABELS = ['token', 'foreign_label', 'U__my_2e_label', '__name__', '__tenant_id__', '..', '.', '%2e', '%2e%2e', '%2E%2E%2Fstatus%2Fconfig', 'ns%2F..%2F..%2Fstatus%2Fconfig', 'ns%2Fvalues%3Fmatch[]=secret%23', 'ns%3Fmatch[]=secret', 'ns%23', 'ns%00', '%00', 'é', '%C3%A9', '%ff', '%c0%af', 'ns;x', 'ns%252Fvalues', '{ns}', '%7Bns=%22b%22%7D', 'a'.repeat(8000), 'ns%0d%0aHost:%20x', 'ns%5c..%5c..', '%20ns', 'ns%20', '', '*', 'ns,token', '%6es'];

const SENSITIVE = [
  '/api/v1/admin/tsdb/delete_series', '/api/v1/admin/tsdb/snapshot', '/api/v1/admin/tsdb/clean_tombstones', '/-/quit', '/-/reload', '/debug/pprof/', '/debug/pprof/heap', '/debug/pprof/cmdline', '/api/v1/status/config', '/api/v1/status/flags', '/api/v1/status/tsdb', '/api/v1/status/tsdb/blocks', '/api/v1/status/runtimeinfo', '/api/v1/status/walreplay', '/api/v1/status/self_metrics', '/metrics', '/api/v1/write', '/api/v1/otlp/v1/metrics', '/api/v1/notifications', '/api/v1/notifications/live',
  '/api/v1/alertmanagers', '/api/v1/targets/relabel_steps', '/api/v1/scrape_pools/config', '/api/v1/features', '/api/v1/openapi.yaml', '/consoles/prometheus.html', '/config', '/flags', '/service-discovery', '/graph', '/', '/version', '/api/v2/alerts', '/api/v2/status', '/static/../config', '/user/..%2fconfig',
];

/** Ways to write a path that some servers take for the same. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => path, (path) => `${path}/`, (path) => `/${path}`, (path) => path.replaceAll('/', '//'), (path) => `/.${path}`, (path) => `/api/v1/query/../../..${path}`, (path) => `/api/v1/..%2f..${path}`, (path) => `/api/v1/query/%2e%2e/%2e%2e/%2e%2e${path}`, (path) => path.replaceAll('/', '%2F'), (path) => path.replace('/', '/%2f'), (path) => path.toUpperCase(), (path) => `${path};x=1`, (path) => `${path}%00`, (path) => path.replaceAll('/', '\\'),
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`), (path) => `${path}?query=x`, (path) => `${path}%3fquery=x`, (path) => `/api/v1/query;/..${path}`, (path) => `${path}.`, (path) => `${path}%20`, (path) => `/api/v1/labels${path}`, (path) => `/api/v1/query%2f..%2f..%2f..${path}`, (path) => `/api/v1/label/ns/values/../../../../..${path}`, (path) => `/api/v1/label/${path.slice(1).replaceAll('/', '%2f')}/values`, (path) => `${path}%2f`, (path) => path.replace(/[a-z]/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
];

const PATHS: readonly RequestAttack[] = SENSITIVE.flatMap((path, at) =>
  SPELLINGS.flatMap((spell, index): RequestAttack[] => {
    const spelled = spell(path);
    // Every path plainly and in some spellings, every spelling of some paths.
    if (index > 0 && (index + at) % 4 !== 0) return [];
    return (index + at) % 2 === 0 ? [get(spelled)] : [post(spelled, 'match[]=%7B__name__%3D~%22.%2B%22%7D')];
  }),
);

const SECRET = 'query=secret';
const MULTIPART = '--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nsecret\r\n--b--\r\n';

const BODIES: readonly RequestAttack[] = [
  ...['APPLICATION/X-WWW-FORM-URLENCODED', `${FORM};charset=utf-8`, `${FORM}; charset=UTF-8`, `${FORM}; charset=utf-16`, `${FORM}; charset=utf-7`, `${FORM}; charset="utf-8"; x=1`, `${FORM}; boundary=b`, `${FORM},application/json`, `text/plain`, '', 'x', 'application/json', 'application/x-www-form-urlencoded ', ` ${FORM}`, `${FORM};`, `${FORM}\u00a0`, 'application/x-protobuf', 'multipart/form-data', 'application/*', 'application/x-www-form-urlencoded/x'].flatMap((type) => [post(QUERY, SECRET, { 'content-type': type }), post(`${QUERY}?query=x`, SECRET, { 'content-type': type })]),
  ...['multipart/form-data; boundary=b', 'Multipart/Form-Data; Boundary=b', 'multipart/mixed; boundary=b', 'multipart/form-data; boundary="b"'].flatMap((type) => [post(QUERY, MULTIPART, { 'content-type': type }), post(`${QUERY}?query=x`, MULTIPART, { 'content-type': type })]),
  ...(['gzip', 'x-gzip', 'GZIP', 'gzip, identity', 'identity, gzip', 'deflate', 'br', 'zstd', 'identity', '', 'snappy', 'x'] as const).map((encoding) => post(QUERY, /gzip/i.test(encoding) ? gzipSync(SECRET) : encoding === 'deflate' ? deflateRawSync(SECRET) : SECRET, { 'content-encoding': encoding })),
  ...['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND', 'LOCK', 'SEARCH', 'TRACE'].flatMap((method) => [post(QUERY, SECRET, {}, method), post(`${QUERY}?query=secret`, '', {}, method)]),
  ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', '_method'].map((name) => post('/api/v1/admin/tsdb/delete_series?match[]=secret', '', { [name]: 'PUT' })),
  post(QUERY, `<?xml version="1.0"?><query>secret</query>`, { 'content-type': 'text/xml' }), post('/api/v1/read', SECRET), post('/api/v1/read', '', { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }), post('/api/v1/read', 'x', { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' }),
];

/** Headers by which proxies and other products say who asks, what, and of whom. */
const SPOOFS: readonly (readonly [string, string])[] = [
  ['X-Scope-OrgID', 'b'], ['X-Prom-Label-Policy', 'b:%7B%7D'], ['X-Prom-Label-Policy', 'main:%7Bns%3D%22b%22%7D'], ['THANOS-TENANT', 'b'], ['X-Tenant-Namespace', 'b'], ['X-Tenant', 'b'], ['X-Namespace', 'b'], ['X-Grafana-Org-Id', '2'], ['X-Grafana-User', 'admin'], ['X-Forwarded-User', 'b'], ['X-Remote-User', 'b'], ['X-WEBAUTH-USER', 'b'], ['X-Auth-Request-User', 'b'], ['X-Scrapeway-Tenant', 'b'],
  ['x-scrapeway-credential', 'basic:b:00000000'], ['x-scrapeway-until', '9999999999999'], ['x-scrapeway-until', '0'], ['x-scrapeway-until', 'NaN'], ['X_Scrapeway_Tenant', 'b'], ['x-scrapeway-dry-run', 'unchanged'], ['x-scrapeway-agent', 'site-b'], ['x-scrapeway-peer-serial', '1'], ['X-Forwarded-Client-Cert', 'Hash=1;URI=spiffe://scrapeway/tenant/b'], ['X-Original-URL', '/query/main/api/v1/status/config'], ['X-Rewrite-URL', '/query/main/api/v1/status/config'],
  ['X-Original-Method', 'DELETE'], ['X-Forwarded-Prefix', '/../..'], ['X-Forwarded-Host', 'other'], ['X-Envoy-Original-Path', '/query/main/metrics'], ['X-Envoy-Upstream-Rq-Timeout-Ms', '1'], ['X-Envoy-Retry-On', '5xx'], ['Connection', 'x-scrapeway-tenant'], ['Connection', 'x-scrapeway-tenant, x-scrapeway-credential, authorization'], ['Connection', 'content-type, content-length'], ['Cookie', 'tenant=b; query=secret'], ['Range', 'bytes=0-10'], ['If-None-Match', '*'],
  ['Accept', 'text/html'], ['Accept', 'application/openmetrics-text'], ['Accept', 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited'], ['Accept-Encoding', 'gzip, br, zstd'], ['Accept-Encoding', 'identity;q=0'], ['TE', 'trailers'], ['Trailer', 'x-scrapeway-tenant'], ['Expect', '100-continue'], ['Max-Forwards', '0'], ['Upgrade', 'h2c'], ['Origin', 'https://evil.example'], ['Referer', 'https://evil.example/?query=secret'], ['X-Prometheus-Remote-Read-Version', '9'], ['Host', 'other.example'], ['X-Http-Proxy', 'x'], ['Via', '1.1 b'], ['Forwarded', 'for=b;host=b'], ['traceparent', '00-00000000000000000000000000000001-0000000000000001-01'], ['baggage', 'tenant=b'],
];

const HEADERS: readonly RequestAttack[] = SPOOFS.flatMap(([name, value]) => [get(`${QUERY}?query=secret`, { [name]: value }), get(`/api/v1/label/ns/values`, { [name]: value })]);

/** What is answered from lists of everybody's. */
const LISTS: readonly RequestAttack[] = [
  '/api/v1/metadata', '/api/v1/metadata?metric=secret', '/api/v1/metadata?limit=1000&limit_per_metric=1000', '/api/v1/metadata?metric=x&metric=secret', '/api/v1/metadata?metric=', '/api/v1/metadata?metric[]=secret', '/api/v1/metadata?metric=__proto__', '/api/v1/metadata?limit=-1', '/api/v1/rules', '/api/v1/rules?type=alert', '/api/v1/rules?type=record', '/api/v1/rules?type=x', '/api/v1/rules?rule_name[]=ForeignRule', '/api/v1/rules?rule_group[]=theirs', '/api/v1/rules?file[]=*', '/api/v1/rules?match[]={ns="b"}',
  '/api/v1/rules?exclude_alerts=true', '/api/v1/rules?group_limit=1', '/api/v1/rules?group_limit=1&group_next_token=x', '/api/v1/rules?group_next_token=', '/api/v1/alerts', '/api/v1/alerts?filter=ns=b', '/api/v1/targets', '/api/v1/targets?state=dropped', '/api/v1/targets?state=any', '/api/v1/targets?scrapePool=theirs', '/api/v1/targets?state=ACTIVE&scrapePool=theirs', '/api/v1/targets/metadata', '/api/v1/targets/metadata?match_target={ns="b"}', '/api/v1/targets/metadata?metric=secret', '/api/v1/targets/metadata?match_target={__name__=~".*"}',
  '/api/v1/scrape_pools', '/api/v1/scrape_pools?x=1', '/api/v1/search/metric_names?include_metadata=true', '/api/v1/search/metric_names?search[]=secret', '/api/v1/search/metric_names?search[]=&fuzz_threshold=0', '/api/v1/search/label_names?search[]=foreign', '/api/v1/search/label_values?label=ns', '/api/v1/search/label_values?label=token&search[]=t', '/api/v1/search/label_values?label=__name__&fuzz_alg=jarowinkler&fuzz_threshold=0', '/api/v1/search/label_values?label=ns&label=token', '/api/v1/search/label_values', '/api/v1/search/x', '/api/v1/status/buildinfo', '/api/v1/status/buildinfo?x=1',
  '/api/v1/parse_query?query=secret', '/api/v1/format_query?query=secret', '/api/v1/query_exemplars?query=secret&start=0&end=9e9', '/api/v1/query_exemplars?query=requests_total&start=0&end=9e9', `/api/v1/query_exemplars?query=${BRACES}&start=0&end=9e9`, '/-/healthy', '/-/ready', '/-/healthy?x=/../quit',
].map((path) => get(path));

export const REQUESTS: readonly { readonly family: string; readonly attacks: readonly RequestAttack[] }[] = [
  { family: 'parameters', attacks: PARAMETERS },
  { family: 'selectors', attacks: MATCHES },
  { family: 'label names', attacks: LABELS.map((label) => get(`/api/v1/label/${label}/values`)) },
  { family: 'paths', attacks: PATHS },
  { family: 'bodies and methods', attacks: BODIES },
  { family: 'headers', attacks: HEADERS },
  { family: 'lists of everybody’s', attacks: LISTS },
];
