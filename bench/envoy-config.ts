/**
 * The shipped configuration of Envoy with one part changed: what the running Envoy says that it has (`/config_dump`) becomes a bootstrap that
 * needs no control plane, and in that a part is switched off. So what is measured is what is shipped, less one thing. Pure.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** What an object becomes; undefined: it goes, from its list or with its key. Objects within it have been changed before. */
export type Change = (object: JsonObject) => JsonObject | undefined;

export function rewrite(value: Json, change: Change): Json | undefined {
  if (isList(value)) return value.flatMap((item) => rewrite(item, change) ?? []);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).flatMap(([key, inner]) => {
    const changed = rewrite(inner, change);
    return changed === undefined ? [] : [[key, changed] as const];
  });
  return change(Object.fromEntries(kept));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value);
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The value under keys and indices; undefined where there is none. */
export function at(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let here: Json | undefined = value;
  for (const step of path) {
    if (isList(here) && typeof step === 'number') here = here[step];
    else if (isObject(here)) here = here[step];
    else return undefined;
  }
  return here;
}

function list(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : [];
}

export function without(object: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

export interface StaticOptions {
  /** Answer of `/config_dump?include_eds`. */
  readonly dump: Json;
  readonly adminSocket: string;
  /** Port of each listener by its name. */
  readonly ports: Readonly<Record<string, number>>;
  /** The dump has no private keys: the file for all certificates. */
  readonly privateKeyFile: string;
}

/** A bootstrap with everything that came by xDS in it. */
export function toStatic({ dump, adminSocket, ports, privateKeyFile }: StaticOptions): JsonObject {
  const dumped = (type: string, ...keys: readonly string[]): readonly Json[] =>
    list(at(dump, 'configs'))
      .filter((config) => String(at(config, '@type')).endsWith(type))
      .flatMap((config) => keys.flatMap((key) => list(at(config, key))));
  const resource = (value: Json | undefined): JsonObject => (isObject(value) ? without(value, '@type') : {});
  const bootstrap = list(at(dump, 'configs')).map((config) => at(config, 'bootstrap')).find(isObject) ?? {};
  const endpoints = new Map(dumped('EndpointsConfigDump', 'dynamic_endpoint_configs').map((each) => [at(each, 'endpoint_config', 'cluster_name'), rewrite(resource(at(each, 'endpoint_config')), withoutZeroWeight)]));
  const routes = new Map(dumped('RoutesConfigDump', 'dynamic_route_configs').map((route) => [at(route, 'route_config', 'name'), rewriteObject(resource(at(route, 'route_config')), withDoor)]));
  const inline: Change = (object) => {
    const { rds, sds_config: sds, eds_cluster_config: eds, ...rest } = object;
    if (rds !== undefined) return { ...rest, route_config: routes.get(at(rds, 'route_config_name')) ?? {} };
    if (eds !== undefined) return { ...rest, type: 'STATIC', load_assignment: endpoints.get(String(rest['name'])) ?? {} };
    return sds === undefined ? object : rest;
  };
  const listeners = dumped('ListenersConfigDump', 'dynamic_listeners').flatMap((each) => {
    const listener = resource(at(each, 'active_state', 'listener'));
    const port = ports[String(listener['name'])];
    return port !== undefined ? [{ ...listener, address: { socket_address: { address: '127.0.0.1', port_value: port } } }] : [];
  });
  const secrets = dumped('SecretsConfigDump', 'dynamic_active_secrets').flatMap((each) => {
    const secret = resource(at(each, 'secret'));
    return isObject(secret['tls_certificate']) ? [{ ...secret, tls_certificate: { ...secret['tls_certificate'], private_key: { filename: privateKeyFile } } }] : [secret];
  });
  const clusters = dumped('ClustersConfigDump', 'dynamic_active_clusters').map((each) => resource(at(each, 'cluster')));
  const resources = rewrite({ listeners, clusters, secrets }, inline) ?? {};
  return { ...without(bootstrap, 'dynamic_resources'), admin: { address: { pipe: { path: adminSocket } } }, static_resources: resources };
}

/** Constants of routes come redacted in a dump; these are the doors that a benchmark needs, by virtual host and by prefix. */
const DOORS: ReadonlyMap<string, string> = new Map([
  ['own', 'none'],
  ['proxy', 'proxy'],
  ['agents', 'agent'],
  ['/scrape/', 'path'],
]);

const withDoor: Change = (object) => {
  const door = DOORS.get(String(object['name'] ?? at(object, 'match', 'prefix')));
  return door === undefined ? object : rewriteObject(object, (inner) => (inner['door'] === '[redacted]' ? { ...inner, door } : inner));
};

export function rewriteObject(object: JsonObject, change: Change): JsonObject {
  const changed = rewrite(object, change);
  return isObject(changed) ? changed : {};
}

/** The dump has it where none was said, and a bootstrap may not. */
const withoutZeroWeight: Change = (object) => (object['load_balancing_weight'] === 0 ? without(object, 'load_balancing_weight') : object);

/** Takes filters and what routes say to them away, by name. */
function withoutFilters(...names: readonly string[]): Change {
  return (object) => {
    if (names.includes(String(object['name'])) && 'typed_config' in object) return undefined;
    const perRoute = object['typed_per_filter_config'];
    return isObject(perRoute) ? { ...object, typed_per_filter_config: without(perRoute, ...names) } : object;
  };
}

const withoutKey =
  (...keys: readonly string[]): Change =>
  (object) =>
    without(object, ...keys);

const inTurn =
  (...changes: readonly Change[]): Change =>
  (object) =>
    changes.reduce<JsonObject | undefined>((changed, change) => (changed === undefined ? undefined : change(changed)), object);

const RATE_LIMIT = 'envoy.filters.http.local_ratelimit';
const EXT_AUTHZ = 'envoy.filters.http.ext_authz';

/** Only the listener of scrapes changes: agents are still asked who they are. */
export function withoutPart(bootstrap: JsonObject, part: Part): JsonObject {
  return changeScrapeListener(bootstrap, PARTS[part]);
}

export function changeScrapeListener(bootstrap: JsonObject, change: Change): JsonObject {
  return rewriteObject(bootstrap, (object) => (object['name'] === 'scrape' && 'filter_chains' in object ? rewriteObject(object, change) : object));
}

/** What can be switched off, by the name in the table. */
const PARTS = {
  'door TLS': (object) => (object['name'] === 'scrape' && 'transport_socket' in object ? without(object, 'transport_socket') : object),
  'access log': withoutKey('access_log', 'access_log_options'),
  'rate limit': withoutFilters(RATE_LIMIT),
  'header hygiene': withoutKey('early_header_mutation_extensions'),
  'answer checks': withoutKey('validate_mutations'),
  'reason mapper': withoutKey('local_reply_config'),
  'request id and XFF': (object) => ('stat_prefix' in object && 'http_filters' in object ? { ...object, generate_request_id: false, skip_xff_append: true } : object),
  // The limit reads the tenant from the answer, and the stamps that the load then brings itself must get through.
  'ext_authz, limit and hygiene': inTurn(withoutFilters(RATE_LIMIT, EXT_AUTHZ), withoutKey('early_header_mutation_extensions')),
} as const satisfies Readonly<Record<string, Change>>;

export type Part = keyof typeof PARTS;
