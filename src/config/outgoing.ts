import type { Draft } from './draft.js';
import type { Path } from './yaml-source.js';

/** Headers and credentials that requests of ours carry: an agent's to its targets, a gateway's to its backends. */
export interface OutgoingFile {
  readonly basic?: { readonly user: string; readonly passwordFile: string };
  readonly bearerTokenFile?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The header that carries `basic` or the bearer token. */
export async function compileAuthorization(draft: Draft, place: Path, { basic, bearerTokenFile, headers }: OutgoingFile): Promise<string | undefined> {
  if (basic !== undefined && bearerTokenFile !== undefined) draft.fault([...place, 'bearerTokenFile'], 'stands beside `basic`; a request can carry one of them');
  const twice = Object.keys(headers).find((name) => name.toLowerCase() === 'authorization');
  if (twice !== undefined && (basic ?? bearerTokenFile) !== undefined) draft.fault([...place, 'headers', twice], 'is set by `basic` or `bearerTokenFile` already');
  if (basic !== undefined) {
    const password = await draft.readSecret([...place, 'basic', 'passwordFile'], basic.passwordFile);
    return password === undefined ? undefined : `Basic ${Buffer.from(`${basic.user}:${password}`).toString('base64')}`;
  }
  if (bearerTokenFile === undefined) return undefined;
  const token = await draft.readSecret([...place, 'bearerTokenFile'], bearerTokenFile);
  if (token !== undefined && !FIELD_VALUE.test(token)) draft.fault([...place, 'bearerTokenFile'], 'holds more than a token: a line break or another character that no header can carry');
  return token === undefined ? undefined : `Bearer ${token}`;
}

/** RFC 9110 §5.1, §5.5. */
const FIELD_NAME = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** What the client sets itself, or what would change how the message is framed. */
const OWN_HEADERS: ReadonlySet<string> = new Set(['connection', 'content-length', 'expect', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/** Headers that a file adds to requests. */
export function checkHeaders(draft: Draft, place: Path, headers: Readonly<Record<string, string>>): void {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const at = [...place, 'headers', name];
    if (!FIELD_NAME.test(name)) draft.fault(at, `"${name}" is not a header's name`);
    else if (OWN_HEADERS.has(name.toLowerCase())) draft.fault(at, `"${name}" cannot be set; it is made for each request`);
    if (seen.has(name.toLowerCase())) draft.fault(at, `"${name}" stands here already; a header's name has no case`);
    seen.add(name.toLowerCase());
    if (!FIELD_VALUE.test(value)) draft.fault(at, `the value of "${name}" has a character that no header can carry`);
  }
}

/** Without the slash at its end: API paths begin with one. */
export function baseUrl(draft: Draft, place: Path, text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) draft.fault(place, 'must be a URL such as http://prometheus:9090');
  else if (url.username !== '' || url.password !== '') draft.fault(place, 'must hold no credentials; use `basic` or `bearerTokenFile`');
  return url === null ? undefined : `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
