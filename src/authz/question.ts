import type { Reason } from '../model/reasons.js';
import type { TokenFindings } from './token-findings.js';

/**
 * The vocabulary of the decision: what Envoy asks, and what it is told. Plain values, so that everything between `wire.ts` and
 * the answer is a function of them.
 */

/**
 * Which way in a request took. Envoy's routes say so in `context_extensions`; the client has no word in it.
 * - `path`: `/scrape/<agent>/<target>` on the gateway's own name
 * - `proxy`: absolute form, the authority names the target
 * - `connect`: CONNECT through the gateway
 * - `sd`: http_sd
 * - `query`: the Prometheus API of a backend, `/query/<backend>/…` or `/api/v1/…`
 * - `push`: remote write or the Pushgateway's protocol, `/push/<target>/…`
 * - `agent`: an agent's tunnel, on the agents' listener
 * - `none`: any other path on the gateway's own name; asked too, so that 404 and 401 do not tell which paths exist
 */
export const DOORS = ['path', 'proxy', 'connect', 'sd', 'query', 'push', 'agent', 'none'] as const;
export type Door = (typeof DOORS)[number];

/** One CheckRequest: exactly what a rule may read (`allowed_headers` of the filter sends no more than these headers). */
export interface Question {
  readonly door: Door;
  readonly method: string;
  /** After Envoy's normalisation, with the query. Empty on CONNECT. */
  readonly path: string;
  /** The authority. */
  readonly host: string;
  readonly authorization: string | undefined;
  readonly proxyAuthorization: string | undefined;
  /** source.principal: of the client's certificate the first URI SAN, else the first DNS SAN, else the subject; else empty. */
  readonly principal: string;
  /** x-forwarded-client-cert, made by our Envoy from the handshake (SANITIZE_SET). */
  readonly clientCertificate: string | undefined;
  /** x-prometheus-scrape-timeout-seconds */
  readonly scrapeTimeout: string | undefined;
  readonly upgrade: string | undefined;
  /** x-tenant-namespace: counts from a front proxy only. */
  readonly assertedTenant: string | undefined;
  /** Of the client's certificate, stamped by Envoy before anything reads a header: the issuer's name as RFC 2253 writes it. */
  readonly peerIssuer: string | undefined;
  /** Lower-case hex without leading zeros, as `Revoked.serials`. */
  readonly peerSerial: string | undefined;
  /** What Envoy says of a token, where any issuer is configured. */
  readonly token: TokenFindings | undefined;
}

/** What goes into the access log as dynamic metadata. `agent` and `target` of a refusal are what was asked for. */
export interface Audit {
  readonly door: Door;
  readonly tenant?: string | undefined;
  readonly agent?: string | undefined;
  readonly target?: string | undefined;
  /** How the caller showed who it is: `certificate`, `certificate+basic`. */
  readonly auth?: string | undefined;
  /** With which credentials (`model/credential-id.ts`). */
  readonly credential?: string | undefined;
  /** Which rule decided: `tenants/team-a/scrape[0]`, `tenants/team-a/deny[1]`. */
  readonly rule?: string | undefined;
  /** Under whose name Envoy counts requests for the target, where a template bounds their rate. */
  readonly template?: string | undefined;
}

export type Decision =
  | {
      readonly allow: true;
      /** Request headers to set; each replaces whatever the client sent under that name. */
      readonly stamp: Readonly<Record<string, string>>;
      /** Request headers to take off. */
      readonly remove: readonly string[];
      readonly audit: Audit;
    }
  | { readonly allow: false; readonly reason: Reason; readonly audit: Audit };
