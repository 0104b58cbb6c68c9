/**
 * What carries a request of the gateway's own to a service behind an agent (ADR 61).
 *
 * The one idea: *by which socket a request came says what it may ask for*. Envoy knows the hub's sockets for scrapes and for tunnels; the
 * one for services is known to the gateway's own threads only. So no header, path or method that comes from outside can name a service.
 */

/** Asked for on that socket, beside `x-scrapeway-agent` and `x-scrapeway-timeout-ms`. */
export const SERVICE_HEADER = 'x-scrapeway-service';
/** Members of a site that come last this time, parted by spaces: they could not, a moment ago. */
export const LAST_HEADER = 'x-scrapeway-last';

/** Of a data thread, in the runtime directory; no longer than `tunnel-<i>.sock`. */
export function serviceSocketName(thread: number): string {
  return `behind-${thread}.sock`;
}

/** In the tunnel a service's `:authority` begins so, which no target's name does (model/names.ts). */
const PREFIX = '.service.';

export function serviceAuthority(service: string): string {
  return `${PREFIX}${service}`;
}

/** Undefined: a target's, or the control stream's. */
export function serviceOf(authority: string): string | undefined {
  return authority.startsWith(PREFIX) ? authority.slice(PREFIX.length) : undefined;
}
