import type { FieldList } from './hpack/decoder.js';

/**
 * Which header lists are well-formed (RFC 9113 §8.2, §8.3). Pure; the list is read once.
 *
 * Stricter than the RFC asks of an intermediary, since what passes here goes on into somebody else's connection: names must
 * be tokens, values free of control characters (facts/h2-switch.md, trap 1).
 */

/** What the connection must know of a message; reused from message to message. */
export interface MessageFacts {
  /** -1: not stated. */
  contentLength: number;
  /** Responses only, else 0. */
  status: number;
  /** Requests only, else ''. */
  method: string;
}

/** Checks a request's list and fills `facts`. Returns what is wrong with it, or undefined. */
export function checkRequest(fields: FieldList, facts: MessageFacts): string | undefined {
  resetFacts(facts);
  let method = '';
  let scheme = '';
  let path = '';
  let authority: string | undefined;
  let seen = 0;
  let at = 0;
  for (; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (name.charCodeAt(0) !== COLON) break;
    const bit = REQUEST_PSEUDO.get(name);
    if (bit === undefined) return `unknown pseudo-header ${printable(name)}`;
    if ((seen & bit) !== 0) return `repeated ${name}`;
    seen |= bit;
    if (!isVisible(value)) return `bad character in ${name}`;
    if (bit === METHOD) method = value;
    else if (bit === SCHEME) scheme = value;
    else if (bit === PATH) path = value;
    else authority = value;
  }
  facts.method = method;
  if (method === '') return 'no :method';
  if (method === 'CONNECT') {
    if (scheme !== '' || path !== '' || !authority) return 'CONNECT takes :authority, and neither :scheme nor :path';
  } else if (scheme === '' || path === '') return 'no :scheme or no :path';
  else if (path.charCodeAt(0) !== SLASH && path !== '*') return ':path is no path';
  return checkFields(fields, at, facts);
}

/** Checks a response's list, interim ones included, and fills `facts`. */
export function checkResponse(fields: FieldList, facts: MessageFacts): string | undefined {
  resetFacts(facts);
  if (fields[0] !== ':status') return 'no :status';
  const status = fields[1] ?? '';
  facts.status = parseStatus(status);
  if (facts.status === 0) return `bad :status ${printable(status)}`;
  return checkFields(fields, 2, facts);
}

/** Checks a trailer list: no pseudo-headers at all. */
export function checkTrailers(fields: FieldList, facts: MessageFacts): string | undefined {
  resetFacts(facts);
  return checkFields(fields, 0, facts);
}

/** What is wrong with a response that is to be sent, or undefined. */
export function responseFault(fields: FieldList): string | undefined {
  return checkResponse(fields, ignored);
}

/** What is wrong with trailers that are to be sent, or undefined. */
export function trailersFault(fields: FieldList): string | undefined {
  return checkTrailers(fields, ignored);
}

const ignored: MessageFacts = { contentLength: -1, status: 0, method: '' };

function resetFacts(facts: MessageFacts): void {
  facts.contentLength = -1;
  facts.status = 0;
  facts.method = '';
}

const COLON = 0x3a;
const SLASH = 0x2f;
const METHOD = 1;
const SCHEME = 2;
const PATH = 4;
const AUTHORITY = 8;
const REQUEST_PSEUDO: ReadonlyMap<string, number> = new Map([
  [':method', METHOD],
  [':scheme', SCHEME],
  [':path', PATH],
  [':authority', AUTHORITY],
]);

/** RFC 9113 §8.2.2: they describe an HTTP/1 connection and have no place here. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

function checkFields(fields: FieldList, from: number, facts: MessageFacts): string | undefined {
  for (let at = from; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (!isFieldName(name)) return name.charCodeAt(0) === COLON ? `misplaced ${printable(name)}` : `bad field name ${printable(name)}`;
    if (!isFieldValue(value)) return `bad character in ${name}`;
    if (CONNECTION_SPECIFIC.has(name)) return `connection-specific field ${name}`;
    if (name === 'te' && value !== 'trailers') return 'te may only say trailers';
    if (name === 'content-length') {
      if (facts.contentLength !== -1 || !/^\d{1,15}$/.test(value)) return 'bad content-length';
      facts.contentLength = Number(value);
    }
  }
  return undefined;
}

/** 100 to 999 except 101, which HTTP/2 does not have (§8.6); else 0. */
function parseStatus(text: string): number {
  if (!/^[1-9]\d\d$/.test(text)) return 0;
  const status = Number(text);
  return status === 101 ? 0 : status;
}

/** By character code: 1 = may stand in a field name (lower-case token), 2 = visible ASCII or obs-text, 4 = blank. */
const NAME_CHAR = 1;
const VISIBLE = 2;
const BLANK = 4;
const CHARS = new Uint8Array(256);
for (let code = 0x21; code < 0x100; code += 1) if (code !== 0x7f) CHARS[code] = VISIBLE;
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") CHARS[char.charCodeAt(0)] = VISIBLE | NAME_CHAR;
for (const char of ' \t') CHARS[char.charCodeAt(0)] = BLANK;

function isFieldName(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) if (((CHARS[name.charCodeAt(i)] ?? 0) & NAME_CHAR) === 0) return false;
  return name.length > 0;
}

/** No control characters, no blank at either end (§8.2.1). */
function isFieldValue(value: string): boolean {
  const length = value.length;
  for (let i = 0; i < length; i += 1) if ((CHARS[value.charCodeAt(i)] ?? 0) === 0) return false;
  return length === 0 || (CHARS[value.charCodeAt(0)] !== BLANK && CHARS[value.charCodeAt(length - 1)] !== BLANK);
}

function isVisible(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) if (((CHARS[value.charCodeAt(i)] ?? 0) & VISIBLE) === 0) return false;
  return true;
}

function printable(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}

/** Value of the first field called `name`, or undefined. */
export function fieldValue(fields: FieldList, name: string): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}
