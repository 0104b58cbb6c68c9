/**
 * Two kinds of routes. A *going* route matches a header that only ext_authz can have stamped. An *asking* route matches the
 * same door without it: it is found first, it tells ext_authz the door, and if the answer stamps nothing the request ends
 * there with 500. `clear_route_cache` makes Envoy look again after the answer. So nothing goes on that was not decided, and
 * the number of routes is that of the doors, not of the targets (DESIGN §2.1).
 */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { RouteActionSchema, RouteMatchSchema, RouteSchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { askingAs } from './http-filters.js';
import type { Door } from './names.js';
import { STAMPED } from './names.js';
import type { Init } from './pack.js';

export type Route = Init<typeof RouteSchema>;
export type Match = Init<typeof RouteMatchSchema>;
export type Action = Init<typeof RouteActionSchema>;

export function exactPath(path: string): Match {
  return { pathSpecifier: { case: 'path', value: path } };
}

export function prefix(value: string): Match {
  return { pathSpecifier: { case: 'prefix', value } };
}

/** CONNECT has no path: only this finds it. */
export const connectRequest: Match = { pathSpecifier: { case: 'connectMatcher', value: {} } };

/** The condition that a header is there, whatever it says. */
export function has(name: string): NonNullable<Match['headers']>[number] {
  return { name, headerMatchSpecifier: { case: 'presentMatch', value: true } };
}

/** A request that ext_authz allowed and stamped. */
export function going(match: Match, stamped: string, action: Action): Route {
  return { match: { ...match, headers: [has(stamped), ...(match.headers ?? [])] }, action: { case: 'route', value: action } };
}

/** A request before the question; after it, only one that was allowed without being stamped: that must not pass. */
export function asking(match: Match, door?: Door, perFilter: Record<string, Any> = {}): Route {
  return ends(match, 500, 'scrapeway: allowed but not resolved\n', door === undefined ? perFilter : { ...askingAs(door), ...perFilter });
}

/** A request that ends here whatever the answer is. */
export function ends(match: Match, status: number, body?: string, perFilter: Record<string, Any> = {}): Route {
  return {
    match,
    action: {
      case: 'directResponse',
      value: body === undefined ? { status } : { status, body: { specifier: { case: 'inlineString', value: body } } },
    },
    typedPerFilterConfig: perFilter,
  };
}

/** One agent, one data thread: the tunnel and the scrape hash the same header (DESIGN §2.5). */
export const byAgent: NonNullable<Action['hashPolicy']> = [
  { policySpecifier: { case: 'header', value: { headerName: STAMPED.agent } } },
];
