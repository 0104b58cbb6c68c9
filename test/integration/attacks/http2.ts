/** Requests by HTTP/2, in which a request's line is made of headers. Over a good one of the tenant's own. */

export interface Http2Attack {
  readonly title: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

const FORM = 'application/x-www-form-urlencoded';
const SECRET = '/query/main/api/v1/query?query=secret';
const CONFIG = '/query/main/api/v1/status/config';

const PATHS = [SECRET, CONFIG, '*', '', '/', '//query/main/api/v1/status/config', '/query/main/../../metrics', '/query/main/%2e%2e/hidden/api/v1/query?query=secret', 'https://localhost/query/main/api/v1/status/config', '/query/main/api/v1/query?query=x#secret', '/query/main/api/v1/query?query=x or secret', '/query/main/api/v1/query?query=x\u00e9secret', '/query/main/api/v1/query\t?query=secret', '/query/hidden/api/v1/query?query=secret', '/query/main\\..\\hidden/api/v1/query?query=secret'];

const HEADERS: readonly Readonly<Record<string, string | readonly string[]>>[] = [
  { ':method': 'DELETE' }, { ':method': 'get' }, { ':method': 'QUERY' }, { ':method': 'CONNECT' }, { ':method': 'HEAD' }, { ':scheme': 'http' }, { ':scheme': 'file' }, { ':scheme': 'https://other/x?' }, { ':authority': 'other' }, { ':authority': 'localhost, other' }, { ':authority': 'localhost@other' }, { ':authority': '' }, { host: 'other' }, { 'x-scrapeway-tenant': 'b' }, { 'x-scrapeway-tenant': ['b', 'label'] }, { 'x-scrapeway-credential': 'basic:b:0' }, { 'x-scrapeway-until': '9' }, { 'x-forwarded-client-cert': 'Hash=1;URI=spiffe://scrapeway/tenant/team-b' },
  { cookie: ['a=b', 'tenant=b'] }, { te: 'trailers' }, { te: 'gzip' }, { 'content-length': '0' }, { 'content-length': '12' }, { trailer: 'x-scrapeway-tenant' }, { expect: '100-continue' }, { 'x-prom-label-policy': 'b:%7B%7D' }, { 'x-scope-orgid': 'b' }, { 'x-http-method-override': 'DELETE' }, { authorization: ['Basic eDp4', 'Basic eTp5'] }, { range: 'bytes=0-1' }, { 'x-envoy-original-path': CONFIG }, { 'x-original-url': CONFIG },
];

const BODIES: readonly Http2Attack[] = [
  { title: 'a form', headers: { ':method': 'POST', ':path': '/query/main/api/v1/query', 'content-type': FORM }, body: 'query=secret' },
  { title: 'a form that is longer than it says', headers: { ':method': 'POST', ':path': '/query/main/api/v1/query?query=secret', 'content-type': FORM, 'content-length': '5' }, body: 'query=secret' },
  { title: 'a form that is shorter than it says', headers: { ':method': 'POST', ':path': '/query/main/api/v1/query?query=secret', 'content-type': FORM, 'content-length': '50' }, body: 'query=secret' },
  { title: 'a GET with a body', headers: { ':method': 'GET', ':path': SECRET, 'content-type': FORM }, body: 'query=secret' },
  { title: 'an extended CONNECT', headers: { ':method': 'CONNECT', ':protocol': 'websocket', ':path': CONFIG } },
  { title: 'another form', headers: { ':method': 'POST', ':path': '/query/main/api/v1/query', 'content-type': 'multipart/form-data; boundary=b' }, body: '--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nsecret\r\n--b--\r\n' },
];

export const HTTP2: readonly Http2Attack[] = [
  ...PATHS.map((path) => ({ title: `:path ${JSON.stringify(path)}`, headers: { ':path': path } })),
  ...HEADERS.map((headers) => ({ title: JSON.stringify(headers), headers: { ':path': SECRET, ...headers } })),
  ...BODIES,
];
