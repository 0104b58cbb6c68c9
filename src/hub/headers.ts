import { fieldValue } from '../h2/index.js';
import type { BlockWriter, FieldList } from '../h2/index.js';
import { isReason, REASON_HEADER, REASONS } from '../model/reasons.js';
import { AGENT_HEADER, MEMBER_HEADER } from '../tunnel/handshake.js';
import { MAX_BYTES_HEADER, MAX_SCRAPES_HEADER, UNTIL_HEADER } from '../model/stamps.js';
import { normalSerial, readUntil } from '../model/standing.js';
import type { Party } from '../model/standing.js';
import { INTERNAL_PREFIX, TIMEOUT_HEADER } from '../tunnel/streams.js';

/**
 * Which headers go which way (contracts: "Tunnel"; facts/envoy.md §12.14: Envoy strips nothing of this towards an upstream).
 * Pure. Lists have been checked by the frame core before.
 *
 * - client → agent: the client's end-to-end headers; nothing that Envoy or the gateway added, and nothing that names the hops;
 * - agent → client: the target's headers; nothing that Envoy would obey, and of our own names only an agent's reason.
 */

/** Of a scrape at a site with several agents: who can answer, in order, and when a second one is asked. */
const MEMBERS_HEADER = 'x-scrapeway-members';
const HEDGE_HEADER = 'x-scrapeway-hedge';
const TARGET_HEADER = 'x-scrapeway-target';
const PATH_HEADER = 'x-scrapeway-path';
const TENANT_HEADER = 'x-scrapeway-tenant';
const CREDENTIAL_HEADER = 'x-scrapeway-credential';
/** Set by Envoy itself, on every request that came with a certificate. */
const CERTIFICATE_HEADER = 'x-forwarded-client-cert';
const SERIAL_HEADER = 'x-scrapeway-peer-serial';

/** What ext_authz resolved, read from the headers that it stamped. */
export interface ScrapeRequest {
  /** As it was asked for: an agent, or a site with several. */
  readonly agent: string;
  /** Who can answer, in the order in which they are asked; never empty. */
  readonly members: readonly string[];
  /** Whether `agent` is a site: then the answer says which member it is from. */
  readonly atSite: boolean;
  /** When a second member is asked: after so many ms, or after as long as the target's answers usually take. */
  readonly hedge: number | 'p95' | undefined;
  readonly target: string;
  /** Path and query to fetch; of no meaning for CONNECT. */
  readonly path: string;
  readonly method: string;
  /** Undefined: ext_authz stamped none, or no number. */
  readonly timeoutMs: number | undefined;
  readonly party: Party & { readonly tenant: string };
  /** Of the tenant at this target, in flight; Infinity without a bound. */
  readonly maxScrapes: number;
  /** Of the answer. */
  readonly maxBytes: number;
}

/** Undefined: the request was let through without being resolved, which must not happen. */
export function readRequest(fields: FieldList): ScrapeRequest | undefined {
  const agent = fieldValue(fields, AGENT_HEADER);
  const target = fieldValue(fields, TARGET_HEADER);
  const method = fieldValue(fields, ':method');
  // On the path door the path to fetch is stamped; on the proxy door it is the request's own; CONNECT has none.
  const path = method === 'CONNECT' ? '/' : (fieldValue(fields, PATH_HEADER) ?? fieldValue(fields, ':path'));
  const tenant = fieldValue(fields, TENANT_HEADER);
  // No target's name begins with a dot: what does, is for the tunnel's other streams.
  if (!agent || !target || target.startsWith('.') || !tenant || !method || !path?.startsWith('/')) return undefined;
  const timeoutMs = Number(fieldValue(fields, TIMEOUT_HEADER));
  const party = { tenant, credentials: fieldValue(fields, CREDENTIAL_HEADER) ?? '', serial: normalSerial(fieldValue(fields, SERIAL_HEADER)), certificate: fieldValue(fields, CERTIFICATE_HEADER), untilMs: readUntil(fieldValue(fields, UNTIL_HEADER)) };
  const members = fieldValue(fields, MEMBERS_HEADER);
  return { agent, members: members?.split(' ') ?? [agent], atSite: members !== undefined, hedge: readHedge(fieldValue(fields, HEDGE_HEADER)), target, path, method, timeoutMs: timeoutMs > 0 && Number.isFinite(timeoutMs) ? timeoutMs : undefined, party, maxScrapes: bound(fields, MAX_SCRAPES_HEADER), maxBytes: bound(fields, MAX_BYTES_HEADER) };
}

function readHedge(text: string | undefined): ScrapeRequest['hedge'] {
  return text === undefined || text === 'p95' ? text : Number(text);
}

function bound(fields: FieldList, name: string): number {
  return Number(fieldValue(fields, name) ?? Infinity);
}

/** The request as the agent gets it. `timeoutMs`: what is left of its deadline. */
export function writeRequest(block: BlockWriter, request: ScrapeRequest, fields: FieldList, timeoutMs: number): Uint8Array {
  block.reset().field(':method', request.method).field(':scheme', 'http').field(':authority', request.target).field(':path', request.path);
  block.field(TIMEOUT_HEADER, String(timeoutMs));
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (goesToAgent(name)) block.field(name, fields[at + 1] ?? '');
  }
  return block.block();
}

/** A CONNECT as the agent gets it: of the client's headers none, since nobody behind would read them. */
export function writeConnect(block: BlockWriter, target: string, timeoutMs: number): Uint8Array {
  return block.reset().field(':method', 'CONNECT').field(':authority', target).field(TIMEOUT_HEADER, String(timeoutMs)).block();
}

/** The answer as Envoy gets it. `member`: whose it is, at a site with several agents. */
export function writeResponse(block: BlockWriter, fields: FieldList, member?: string): Uint8Array {
  block.reset();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (goesToClient(name, value)) block.field(name, value);
  }
  if (member !== undefined) block.field(MEMBER_HEADER, member);
  return block.block();
}

/** Trailers of a request: the same rule as for its head. */
export function writeRequestTrailers(block: BlockWriter, fields: FieldList): Uint8Array {
  block.reset();
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? '';
    if (goesToAgent(name)) block.field(name, fields[at + 1] ?? '');
  }
  return block.block();
}

/** The agent's reason for an answer that it made itself, or undefined for an answer of the target. */
export function agentReason(fields: FieldList): keyof typeof REASONS | undefined {
  const reason = fieldValue(fields, REASON_HEADER);
  return reason !== undefined && isReason(reason) && REASONS[reason].hop === 'agent' ? reason : undefined;
}

/** Of the hops between client and gateway, not of the client; `host` repeats `:authority`. */
const NOT_TO_AGENT: ReadonlySet<string> = new Set(['forwarded', 'via', 'te', 'host', 'expect', 'proxy-authorization', 'x-request-id', 'x-real-ip']);
const ENVOY_PREFIX = 'x-envoy-';
const FORWARDED_PREFIX = 'x-forwarded-';

function goesToAgent(name: string): boolean {
  const first = name.charCodeAt(0);
  if (first === COLON || NOT_TO_AGENT.has(name)) return false;
  return first !== LETTER_X || !(name.startsWith(INTERNAL_PREFIX) || name.startsWith(ENVOY_PREFIX) || name.startsWith(FORWARDED_PREFIX));
}

function goesToClient(name: string, value: string): boolean {
  if (name.charCodeAt(0) !== LETTER_X) return true;
  // Envoy obeys some x-envoy-* of an upstream (overloaded, failing health check): no agent gets to say these.
  if (name.startsWith(ENVOY_PREFIX)) return false;
  return !name.startsWith(INTERNAL_PREFIX) || (name === REASON_HEADER && isReason(value) && REASONS[value].hop === 'agent');
}

const COLON = 0x3a;
const LETTER_X = 0x78;
