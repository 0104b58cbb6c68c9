/**
 * The closed list of reasons for which a request fails: the value of `x-scrapeway-reason`, of the audit line's `reason` and of
 * the `reason` label in metrics (DESIGN §3.7). Whatever fails, fails with one of these. The operators' table in
 * docs/reasons.md is tested against this list.
 *
 * The status is all that Prometheus shows (facts/prometheus-scrape.md §2), so each code has the one that fits best.
 */

/** Who can raise it: Envoy itself (mapped local replies), ext_authz, the http_sd, query and status API, the hub, the agent, the push door. */
export type Hop = 'envoy' | 'authz' | 'api' | 'hub' | 'agent' | 'push';

export interface ReasonSpec {
  readonly status: number;
  readonly hop: Hop;
  /** One line to the client; says nothing of other tenants. */
  readonly text: string;
}

export const REASONS = {
  // ---- identity and decision
  no_credentials: { status: 401, hop: 'authz', text: 'no credentials' },
  bad_credentials: { status: 401, hop: 'authz', text: 'the credentials are not valid' },
  proxy_no_credentials: { status: 407, hop: 'authz', text: 'no proxy credentials' },
  proxy_bad_credentials: { status: 407, hop: 'authz', text: 'the proxy credentials are not valid' },
  conflicting_credentials: { status: 403, hop: 'authz', text: 'more than one identity was presented' },
  target_forbidden: { status: 403, hop: 'authz', text: 'no such target, or not for this tenant' },
  door_forbidden: { status: 404, hop: 'authz', text: 'nothing here' },
  method_forbidden: { status: 405, hop: 'authz', text: 'only GET and HEAD' },
  malformed_request: { status: 400, hop: 'authz', text: 'malformed request' },
  agent_unknown: { status: 403, hop: 'authz', text: 'the certificate names no agent of this gateway' },
  authz_busy: { status: 503, hop: 'authz', text: 'too many credentials wait to be checked' },
  issuer_unavailable: { status: 503, hop: 'authz', text: "the token's issuer cannot be reached" },
  authz_starting: { status: 503, hop: 'authz', text: 'the gateway has no configuration yet' },
  // ---- http_sd
  discovery_unknown: { status: 503, hop: 'api', text: 'the gateway does not know every target yet' },
  api_error: { status: 500, hop: 'api', text: 'internal error' },
  // ---- joining
  join_malformed: { status: 400, hop: 'api', text: 'the request for a certificate cannot be read' },
  token_invalid: { status: 401, hop: 'api', text: 'the join token was not made by this gateway, or was changed' },
  token_expired: { status: 401, hop: 'api', text: 'the join token has expired: make a new one' },
  token_used: { status: 409, hop: 'api', text: 'the join token was used already: make a new one' },
  // ---- queries
  query_no_endpoint: { status: 404, hop: 'api', text: 'no such endpoint, or not on this door' },
  query_no_backend: { status: 403, hop: 'api', text: 'no such backend, or not for this tenant' },
  query_method: { status: 405, hop: 'api', text: 'not with this method' },
  query_malformed: { status: 400, hop: 'api', text: 'the request cannot be read' },
  query_invalid: { status: 400, hop: 'api', text: 'the query is not valid' },
  query_unenforceable: { status: 422, hop: 'api', text: 'the query cannot be restricted to what the tenant may see' },
  query_not_distributable: { status: 422, hop: 'api', text: "the query cannot be answered exactly from a group's backends" },
  query_over_limit: { status: 422, hop: 'api', text: "over one of the tenant's limits" },
  query_busy: { status: 429, hop: 'api', text: 'too many queries of this tenant in flight' },
  query_timeout: { status: 503, hop: 'api', text: 'the backend did not answer in time' },
  query_backend_away: { status: 503, hop: 'api', text: 'no replica of the backend can be reached' },
  query_backend_failed: { status: 502, hop: 'api', text: 'the backend failed' },
  // ---- Envoy's own failures, by local_reply_config
  authz_unavailable: { status: 503, hop: 'envoy', text: 'the gateway cannot decide now' },
  rate_limited: { status: 429, hop: 'envoy', text: "over the tenant's request rate" },
  no_route: { status: 404, hop: 'envoy', text: 'nothing here' },
  deadline: { status: 504, hop: 'envoy', text: 'no complete answer within the deadline' },
  hub_unreachable: { status: 503, hop: 'envoy', text: "the gateway's data thread is not reachable" },
  hub_overflow: { status: 503, hop: 'envoy', text: 'too many requests in flight' },
  hub_reset: { status: 503, hop: 'envoy', text: 'the answer broke off inside the gateway' },
  gateway_overloaded: { status: 503, hop: 'envoy', text: 'the gateway is overloaded' },
  idle: { status: 504, hop: 'envoy', text: 'nothing moved for too long' },
  bad_request: { status: 400, hop: 'envoy', text: 'malformed request' },
  bad_token: { status: 401, hop: 'envoy', text: 'the token is not valid' },
  not_offered: { status: 403, hop: 'envoy', text: 'not offered here' },
  gateway_error: { status: 500, hop: 'envoy', text: 'the gateway failed' },
  // ---- hub
  agent_away: { status: 503, hop: 'hub', text: 'the agent is not connected' },
  agent_lost: { status: 502, hop: 'hub', text: 'the agent went away during the scrape' },
  agent_misbehaved: { status: 502, hop: 'hub', text: 'the agent sent an invalid answer' },
  agent_conflict: { status: 409, hop: 'hub', text: 'another agent with this name is connected' },
  tunnel_known: { status: 409, hop: 'hub', text: 'this agent has a tunnel to this gateway already' },
  lane_refused: { status: 409, hop: 'hub', text: 'this gateway has no tunnel of this agent that could have one more lane' },
  agent_busy: { status: 503, hop: 'hub', text: 'too many scrapes in flight at the agent' },
  tenant_busy: { status: 429, hop: 'hub', text: 'too many scrapes of this tenant in flight' },
  body_too_large: { status: 502, hop: 'hub', text: "the answer is over the tenant's size limit" },
  revoked: { status: 403, hop: 'hub', text: 'the credentials were revoked, or their time is over' },
  agent_timeout: { status: 504, hop: 'hub', text: 'the agent did not answer within the deadline' },
  bad_upgrade: { status: 400, hop: 'hub', text: 'not a tunnel handshake of a known version' },
  gateway_draining: { status: 503, hop: 'hub', text: 'the gateway is shutting down' },
  // ---- agent
  agent_denied: { status: 403, hop: 'agent', text: "not on the agent's allow-list" },
  target_unknown: { status: 404, hop: 'agent', text: 'the agent has no such target any more' },
  service_unknown: { status: 404, hop: 'agent', text: 'the agent has no such service' },
  service_request_too_large: { status: 413, hop: 'agent', text: "the request is over the service's size limit" },
  target_dns: { status: 502, hop: 'agent', text: "the target's name does not resolve" },
  target_refused: { status: 502, hop: 'agent', text: 'the target refused the connection' },
  target_unreachable: { status: 502, hop: 'agent', text: 'no route to the target' },
  target_reset: { status: 502, hop: 'agent', text: 'the target broke the connection' },
  target_tls: { status: 502, hop: 'agent', text: "the target's certificate is not valid" },
  target_garbage: { status: 502, hop: 'agent', text: 'the target does not speak HTTP' },
  target_timeout: { status: 504, hop: 'agent', text: 'the target did not answer within the deadline' },
  target_too_large: { status: 502, hop: 'agent', text: "the target's answer is over the size limit" },
  target_too_many_samples: { status: 502, hop: 'agent', text: "the target's answer has more samples than sample_limit" },
  target_unfilterable: { status: 502, hop: 'agent', text: "the target's answer cannot be filtered" },
  agent_overloaded: { status: 503, hop: 'agent', text: 'the agent has too many scrapes in flight' },
  agent_draining: { status: 503, hop: 'agent', text: 'the agent is shutting down' },
  agent_error: { status: 502, hop: 'agent', text: 'the agent failed' },
  // ---- push door
  push_method: { status: 405, hop: 'push', text: 'not a method of this protocol' },
  push_malformed: { status: 400, hop: 'push', text: 'the push cannot be understood' },
  push_refused: { status: 400, hop: 'push', text: 'labels that this tenant may not write, or that are not as the protocol wants them' },
  push_rejected: { status: 400, hop: 'push', text: 'the backend did not take it' },
  push_unsupported: { status: 415, hop: 'push', text: 'not a format that is taken here' },
  push_too_large: { status: 413, hop: 'push', text: 'the push is over the size limit' },
  push_busy: { status: 503, hop: 'push', text: 'too many pushes under way' },
  push_backend_unreachable: { status: 502, hop: 'push', text: 'the backend cannot be reached' },
  push_backend_refused: { status: 502, hop: 'push', text: 'the backend does not let the gateway push' },
  push_backend_failed: { status: 503, hop: 'push', text: 'the backend failed' },
  push_timeout: { status: 504, hop: 'push', text: 'the push was not done in time' },
  push_error: { status: 500, hop: 'push', text: 'internal error' },
} as const satisfies Readonly<Record<string, ReasonSpec>>;

export type Reason = keyof typeof REASONS;

export const REASON_HEADER = 'x-scrapeway-reason';

export function isReason(value: string): value is Reason {
  return Object.hasOwn(REASONS, value);
}

/** The one-line body of a failed request. */
export function reasonBody(reason: Reason): string {
  return `scrapeway: ${REASONS[reason].text}\n`;
}
