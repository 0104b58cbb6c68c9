import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { REASONS, REASON_HEADER, reasonBody } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { DOORS } from './question.js';
import type { Decision, Door, Question } from './question.js';
import { readFindings } from './token-findings.js';
import type { TokenFindings } from './token-findings.js';

/**
 * CheckRequest → Question, Decision → CheckResponse, by hand: this runs for each scrape, and ten strings matter among some
 * forty fields that do not. Reading is one walk that decodes only those ten; writing is concatenation of strings that hold
 * one byte per character, so that a nested message's length is its string's length.
 *
 * Field numbers: envoy/service/auth/v3/{external_auth,attribute_context}.proto, envoy/config/core/v3/base.proto,
 * google/protobuf/struct.proto. The tests hold both directions against the messages generated from these.
 */

// ---------------------------------------------------------------------------------------------------------------- reading

/**
 * Reads a serialised envoy.service.auth.v3.CheckRequest. Repeated singular fields follow protobuf's rules (messages merge, the
 * last string wins). A door that nobody knows counts as `none`, where everything is refused.
 */
export function readQuestion(bytes: Buffer): Result<Question, string> {
  const walker = new Walker(bytes);
  walker.walk(bytes.length, visitCheckRequest);
  return walker.failed ? err('not a CheckRequest') : ok(walker.question);
}

class Draft implements Question {
  door: Door = 'none';
  method = '';
  path = '';
  host = '';
  principal = '';
  authorization: string | undefined = undefined;
  proxyAuthorization: string | undefined = undefined;
  clientCertificate: string | undefined = undefined;
  scrapeTimeout: string | undefined = undefined;
  upgrade: string | undefined = undefined;
  assertedTenant: string | undefined = undefined;
  peerIssuer: string | undefined = undefined;
  peerSerial: string | undefined = undefined;
  token: TokenFindings | undefined = undefined;
}

/** Called for each length-delimited field (all that matter are); `end` is where the field's bytes end. */
type Visitor = (walker: Walker, field: number, end: number) => void;

const visitCheckRequest: Visitor = (walker, field, end) => {
  if (field === 1) walker.walk(end, visitAttributes);
};

const visitAttributes: Visitor = (walker, field, end) => {
  if (field === 1) walker.walk(end, visitSource);
  else if (field === 4) walker.walk(end, visitRequest);
  else if (field === 10) readExtension(walker, end);
  else if (field === 11) readMetadata(walker, end);
};

const visitSource: Visitor = (walker, field, end) => {
  if (field === 4) walker.question.principal = walker.text(end);
};

const visitRequest: Visitor = (walker, field, end) => {
  if (field === 2) walker.walk(end, visitHttp);
};

const visitHttp: Visitor = (walker, field, end) => {
  const { question } = walker;
  if (field === 2) question.method = walker.text(end);
  else if (field === 3) readHeader(walker, end);
  else if (field === 4) question.path = walker.text(end);
  else if (field === 5) question.host = walker.text(end);
};

/** HttpRequest.headers: lower-case names; copies of one header arrive joined by a comma. */
function readHeader(walker: Walker, end: number): void {
  const { question } = walker;
  walker.walkMapEntry(end);
  switch (walker.key) {
    case 'authorization':
      question.authorization = walker.value();
      break;
    case 'proxy-authorization':
      question.proxyAuthorization = walker.value();
      break;
    case 'x-forwarded-client-cert':
      question.clientCertificate = walker.value();
      break;
    case 'x-prometheus-scrape-timeout-seconds':
      question.scrapeTimeout = walker.value();
      break;
    case 'upgrade':
      question.upgrade = walker.value();
      break;
    case 'x-tenant-namespace':
      question.assertedTenant = walker.value();
      break;
    case 'x-scrapeway-peer-issuer':
      question.peerIssuer = walker.value();
      break;
    case 'x-scrapeway-peer-serial':
      question.peerSerial = walker.value().toLowerCase().replace(/^0+/, '');
      break;
  }
}

/**
 * Lengths of the keys that are read above and in `readExtension`. Most headers of a question are none of these, and a key that
 * cannot be is not made a string (a third of the time of the walk).
 */
const KEY_LENGTHS: ReadonlySet<number> = new Set(
  ['door', 'authorization', 'proxy-authorization', 'x-forwarded-client-cert', 'x-prometheus-scrape-timeout-seconds', 'upgrade', 'x-tenant-namespace', 'x-scrapeway-peer-issuer', 'x-scrapeway-peer-serial'].map(
    (key) => key.length,
  ),
);

/** AttributeContext.context_extensions: constants of the route. */
function readExtension(walker: Walker, end: number): void {
  walker.walkMapEntry(end);
  if (walker.key !== 'door') return;
  const value = walker.value();
  walker.question.door = DOORS.find((door) => door === value) ?? 'none';
}

/** AttributeContext.metadata_context. */
function readMetadata(walker: Walker, end: number): void {
  walker.question.token = readFindings(walker.rest(end));
  if (walker.question.token === undefined) walker.failed = true;
}

const visitMapEntry: Visitor = (walker, field, end) => {
  if (field === 1) walker.keepKey(end);
  else if (field === 2) walker.keepValue(end);
};

/** A position in the message, which never passes the end of the field that it is in, and sticks at the first fault. */
class Walker {
  readonly question = new Draft();
  failed = false;
  /** Of the map entry that was walked last. */
  key = '';
  private valueStart = 0;
  private valueEnd = 0;
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  walk(end: number, visit: Visitor): void {
    while (this.at < end && !this.failed) {
      const tag = this.varint();
      const field = Math.floor(tag / 8);
      if (field === 0) this.failed = true;
      switch (tag % 8) {
        case 0:
          this.varint();
          break;
        case 1:
          this.at += 8;
          break;
        case 5:
          this.at += 4;
          break;
        case 2: {
          const fieldEnd = this.varint() + this.at;
          if (fieldEnd > end) this.failed = true;
          if (this.failed) return;
          visit(this, field, fieldEnd);
          this.at = fieldEnd;
          break;
        }
        default: // groups, which proto3 does not have
          this.failed = true;
      }
    }
    if (this.at !== end) this.failed = true;
  }

  walkMapEntry(end: number): void {
    this.key = '';
    this.valueStart = this.valueEnd = 0;
    this.walk(end, visitMapEntry);
  }

  keepKey(end: number): void {
    this.key = KEY_LENGTHS.has(end - this.at) ? this.bytes.toString('latin1', this.at, end) : '';
  }

  keepValue(end: number): void {
    this.valueStart = this.at;
    this.valueEnd = end;
  }

  value(): string {
    return this.bytes.toString('utf8', this.valueStart, this.valueEnd);
  }

  text(end: number): string {
    return this.bytes.toString('utf8', this.at, end);
  }

  rest(end: number): Buffer {
    return this.bytes.subarray(this.at, end);
  }

  /** Exact up to 2^53. Larger ones are values that nobody reads, or lengths that point past the end anyway. */
  private varint(): number {
    let value = 0;
    for (let scale = 1, length = 0; length < 10; length += 1, scale *= 128) {
      const byte = this.bytes[this.at];
      if (byte === undefined) break;
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.failed = true;
    return 0;
  }
}

// ---------------------------------------------------------------------------------------------------------------- writing

/** Serialises a decision as envoy.service.auth.v3.CheckResponse. */
export function writeDecision(decision: Decision): Buffer {
  const answer = decision.allow ? okResponse(decision.stamp, decision.remove) : DENIED[decision.reason];
  return Buffer.from(answer + dynamicMetadata(decision), 'latin1');
}

/** CheckResponse.status, ok_response. An absent google.rpc.Status.code is 0, OK. */
function okResponse(stamp: Readonly<Record<string, string>>, remove: readonly string[]): string {
  let response = '';
  for (const name in stamp) response += delimited(2, setHeader(name, stamp[name] ?? ''));
  for (const name of remove) response += delimited(5, name);
  return delimited(1, '') + delimited(3, response);
}

const CHALLENGE = 'Basic realm="scrapeway", Bearer realm="scrapeway"';

/** CheckResponse.status, denied_response: one per reason, made once. */
const DENIED = Object.fromEntries(Object.keys(REASONS).map((reason) => [reason, deniedResponse(reason as Reason)])) as Readonly<Record<Reason, string>>;

function deniedResponse(reason: Reason): string {
  const headers = Object.entries(refusalHeaders(reason)).map(([name, value]) => delimited(2, setHeader(name, value)));
  const httpStatus = number(1, REASONS[reason].status);
  const permissionDenied = number(1, 7); // google.rpc.Status.code; any but 0 refuses
  return delimited(1, permissionDenied) + delimited(2, delimited(1, httpStatus) + headers.join('') + delimited(3, reasonBody(reason)));
}

/** The response headers of a refusal: a function of the reason alone, so that refusals for one reason are alike to the byte. */
function refusalHeaders(reason: Reason): Readonly<Record<string, string>> {
  const { status } = REASONS[reason];
  return {
    [REASON_HEADER]: reason,
    'content-type': 'text/plain; charset=utf-8',
    ...(status === 401 && { 'www-authenticate': CHALLENGE }),
    ...(status === 407 && { 'proxy-authenticate': CHALLENGE }),
    ...(status === 405 && { allow: 'GET, HEAD' }),
  };
}

/** CheckResponse.dynamic_metadata, a Struct of strings; what is undefined is left out. */
function dynamicMetadata({ audit, ...decision }: Decision): string {
  const { door, tenant, agent, target, rule, auth, credential, template } = audit;
  return delimited(
    4,
    structField('door', door) +
      structField('tenant', tenant) +
      structField('agent', agent) +
      structField('target', target) +
      structField('rule', rule) +
      structField('template', template) +
      structField('auth', auth) +
      structField('credential', credential) +
      structField('decision', decision.allow ? 'allow' : 'deny') +
      structField('reason', decision.allow ? undefined : decision.reason),
  );
}

/** An entry of Struct.fields: key, Value.string_value. */
function structField(key: string, value: string | undefined): string {
  return value === undefined ? '' : delimited(1, delimited(1, key) + delimited(2, delimited(3, value)));
}

/** HeaderValueOption with append_action OVERWRITE_IF_EXISTS_OR_ADD. */
function setHeader(name: string, value: string): string {
  return delimited(1, delimited(1, name) + delimited(2, value)) + number(3, 2);
}

/** `content`: bytes as characters. Everything that is written here is ASCII by the rules of its source (names, checked paths). */
function delimited(field: number, content: string): string {
  return varint(field * 8 + 2) + varint(content.length) + content;
}

function number(field: number, value: number): string {
  return varint(field * 8) + varint(value);
}

function varint(value: number): string {
  return value < 128 ? String.fromCharCode(value) : String.fromCharCode((value & 0x7f) | 0x80) + varint(value >>> 7);
}
