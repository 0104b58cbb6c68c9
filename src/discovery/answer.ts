import { REASON_HEADER, REASONS, reasonBody } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { readSdQuery } from './filter.js';
import { targetGroups } from './groups.js';
import type { Inventory } from './inventory.js';
import type { Tenancy } from './tenancy.js';

/** `GET /sd`, decided: what is answered to whom. The transport is api-server.ts. */
export interface SdQuestion {
  /** As ext_authz stamped it. */
  readonly tenant: string | undefined;
  /** Ids of the credentials, as ext_authz stamped them. */
  readonly credentials: string;
  /** The request's `:authority`. */
  readonly authority: string;
  /** Path and query. */
  readonly url: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export function answerSd({ tenant, credentials, authority, url }: SdQuestion, tenancy: Tenancy | undefined, inventory: Inventory): Answer {
  const rights = tenant === undefined ? undefined : tenancy?.rightsOf(tenant);
  // Only ext_authz stamps the tenant; without one, or with one that has just gone, there is nobody to answer.
  if (tenancy === undefined || rights === undefined) return refusal('target_forbidden');
  const query = URL.canParse(url, 'http://gateway') ? readSdQuery(new URL(url, 'http://gateway').searchParams) : undefined;
  if (query === undefined) return refusal('malformed_request');
  if (!inventory.isKnown(rights, tenancy.agentsOf)) return refusal('discovery_unknown');
  const groups = targetGroups({
    rights,
    isWanted: (agent, target) => query.matches(agent, target) && tenancy.isCovered(credentials, agent, target),
    hints: tenancy.hints,
    offered: tenancy.listed(inventory.offered),
    door: query.door,
    gatewayAddress: withPort(authority),
  });
  return { status: 200, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(groups) };
}

/** The answer for a reason of the closed list. */
export function refusal(reason: Reason): Answer {
  return { status: REASONS[reason].status, headers: { 'content-type': 'text/plain; charset=utf-8', [REASON_HEADER]: reason }, body: reasonBody(reason) };
}

/** Prometheus takes a target without a port for port 80; the scrape door is always TLS. */
function withPort(authority: string): string {
  return /:\d+$/.test(authority) ? authority : `${authority}:443`;
}
