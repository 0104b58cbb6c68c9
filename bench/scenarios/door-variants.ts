import { changeScrapeListener, isObject, without, withoutPart } from '../envoy-config.js';
import type { Change, Json, JsonObject, Part } from '../envoy-config.js';

/** The scrape door with one thing changed, as a function of the configuration that is shipped. Pure. */

export interface DoorVariant {
  readonly name: string;
  readonly change: (bootstrap: JsonObject) => JsonObject;
  /** No TLS. */
  readonly plain?: true;
  /** The load brings what ext_authz would stamp. */
  readonly stamped?: true;
  /** Worker threads. Default: as everywhere in the benchmark. */
  readonly concurrency?: number;
}

const whole = (bootstrap: JsonObject): JsonObject => bootstrap;

function less(part: Part, more: Pick<DoorVariant, 'plain' | 'stamped'> = {}): DoorVariant {
  return { name: `without ${part}`, change: (bootstrap) => withoutPart(bootstrap, part), ...more };
}

function door(name: string, change: Change): DoorVariant {
  return { name, change: (bootstrap) => changeScrapeListener(bootstrap, change) };
}

const isManager = (object: JsonObject): boolean => 'stat_prefix' in object && 'http_filters' in object;
const isAuthz = (object: JsonObject): boolean => String(object['@type']).endsWith('ext_authz.v3.ExtAuthz');

/** Fields whose value reads `what` are gone. */
function lineWithout(line: Json | undefined, what: string): JsonObject {
  return isObject(line) ? Object.fromEntries(Object.entries(line).filter(([, value]) => !String(value).includes(what))) : {};
}

export const DOOR_VARIANTS: readonly DoorVariant[] = [
  { name: 'whole', change: whole },
  { name: 'whole, again', change: whole },
  less('door TLS', { plain: true }),
  less('access log'),
  less('rate limit'),
  less('header hygiene'),
  less('answer checks'),
  less('request id and XFF'),
  less('ext_authz, limit and hygiene', { stamped: true }),
  door('no metadata in the question', (o) => (isAuthz(o) ? without(o, 'metadata_context_namespaces') : o)),
  door('no XFCC', (o) => (isManager(o) ? without(o, 'forward_client_cert_details', 'set_current_client_cert_details') : o)),
  door('paths as they come', (o) => (isManager(o) ? without(o, 'normalize_path', 'merge_slashes', 'path_with_escaped_slashes_action') : o)),
  door('log line without what ext_authz said', (o) => ('json_format' in o ? { ...o, json_format: lineWithout(o['json_format'], 'ext_authz:') } : o)),
  door('log line with what ext_authz said as one object', (o) =>
    'json_format' in o ? { ...o, json_format: { ...lineWithout(o['json_format'], 'ext_authz:'), decided: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%' } } : o,
  ),
  { name: 'no statistics', change: (b) => ({ ...b, stats_config: { stats_matcher: { reject_all: true } } }) },
  { name: 'one worker', change: whole, concurrency: 1 },
];
