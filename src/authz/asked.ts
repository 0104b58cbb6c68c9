import { isName, isTargetName, PROXY_SUFFIX } from '../model/names.js';

/**
 * Which target a request means, by the door that it came through. Names are taken as they stand: what is not a name, byte for
 * byte, is not decoded or repaired but names nothing.
 */
export type Asked =
  | { readonly by: 'name'; readonly agent: string; readonly target: string }
  /** Lower-case `host:port`. */
  | { readonly by: 'address'; readonly address: string };

export interface ScrapePath {
  readonly asked: Asked | undefined;
  /** Path on the target, `/…`, where the request gives one. */
  readonly suffix: string | undefined;
  /** Without the question mark; undefined without one. */
  readonly query: string | undefined;
}

const SCRAPE_PATH = /^\/scrape\/([^/?]+)\/([^/?]+)(\/[^?]*)?(?:\?(.*))?$/;

/** `/scrape/<agent>/<target>[/<path>][?query]`; undefined for a path that names no target at all. */
export function readScrapePath(path: string): ScrapePath | undefined {
  const found = SCRAPE_PATH.exec(path);
  if (found === null) return undefined;
  const [, agent = '', target = '', suffix, query] = found;
  return { asked: named(agent, target), suffix, query };
}

const AUTHORITY = /^(.+?)(?::(\d{1,5}))?$/;

/** `<target>.<agent>.scrapeway[:port]`, else `host[:port]` with port 80 understood. */
export function readAuthority(authority: string): Asked | undefined {
  const [, host = '', port = '80'] = AUTHORITY.exec(authority.toLowerCase()) ?? [];
  if (!host.endsWith(PROXY_SUFFIX)) return { by: 'address', address: `${host}:${port}` };
  const name = host.slice(0, -PROXY_SUFFIX.length);
  const dot = name.lastIndexOf('.');
  return named(name.slice(dot + 1), name.slice(0, Math.max(dot, 0)));
}

function named(agent: string, target: string): Asked | undefined {
  return isName(agent) && isTargetName(target) ? { by: 'name', agent, target } : undefined;
}

/**
 * The request's query as it came, and after it the target's defaults for keys that the request does not have.
 * Both without the question mark; undefined and '' mean none.
 */
export function withDefaults(query: string | undefined, defaultQuery: string): string | undefined {
  if (defaultQuery === '') return query;
  if (query === undefined || query === '') return defaultQuery;
  const given = new Set(new URLSearchParams(query).keys());
  const missing = defaultQuery.split('&').filter((pair) => [...new URLSearchParams(pair).keys()].every((key) => !given.has(key)));
  return [query, ...missing].join('&');
}
