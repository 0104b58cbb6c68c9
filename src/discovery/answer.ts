import type { ScrapeRights } from '../model/grants.js';
import { REASON_HEADER, REASONS, reasonBody } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { SD_DOORS, targetGroups } from './groups.js';
import type { Inventory } from './inventory.js';

/** `GET /sd`, decided: what is answered to whom. The transport is api-server.ts. */
export interface SdQuestion {
  /** As ext_authz stamped it. */
  readonly tenant: string | undefined;
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

export function answerSd({ tenant, authority, url }: SdQuestion, rightsOf: (tenant: string) => ScrapeRights | undefined, inventory: Inventory): Answer {
  const query = URL.canParse(url, 'http://gateway') ? new URL(url, 'http://gateway').searchParams : undefined;
  const door = SD_DOORS.find((each) => each === (query?.get('door') ?? 'path'));
  const rights = tenant === undefined ? undefined : rightsOf(tenant);
  // Only ext_authz stamps the tenant; without one, or with one that has just gone, there is nobody to answer.
  if (rights === undefined) return refusal('target_forbidden');
  if (query === undefined || door === undefined || [...query.keys()].some((key) => key !== 'door')) return refusal('malformed_request');
  if (!inventory.isKnown(rights)) return refusal('discovery_unknown');
  const groups = targetGroups({ rights, offered: inventory.offered, door, gatewayAddress: withPort(authority) });
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
