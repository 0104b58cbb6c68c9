/**
 * The gateway's own way to backends: a Unix socket that only its user may open, and three routes to whatever cluster a header names. Nothing
 * is decided here, since the query door has decided; nothing is added to what the server gets, and of its answer nothing is changed. So a
 * backend that comes or goes is a cluster that comes or goes, and neither a route nor a listener.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TrafficDirection } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { ListenerSchema } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import type { FilterSchema } from '../../gen/envoy/config/listener/v3/listener_components_pb.js';
import { RouteAction_ClusterNotFoundResponseCode } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { RetryPolicySchema } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import {
  HttpConnectionManagerSchema,
  HttpConnectionManager_CodecType,
  HttpConnectionManager_ServerHeaderTransformation,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { PreviousHostsPredicateSchema } from '../../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { BACKENDS_SOCKET, BACKEND_CLUSTER_PREFIX, BALANCED } from '../../model/backend-cluster.js';
import { router } from './http-filters.js';
import { envoysOwnWord } from './local-reply.js';
import { LISTENER } from './names.js';
import { pack, seconds } from './pack.js';
import { has, prefix } from './routes.js';
import type { Action, Route } from './routes.js';
import { pipeAddress } from './socket.js';

/** Also of a question's body, which must be kept for as long as it may have to be asked again: above what the door takes of a query. */
const BUFFER_BYTES = 2 * 1_048_576;
/** A question may be all in its URL; Envoy's largest. */
const MAX_HEADERS_KB = 8192;
/** Rules may be in a header each; the default is 100. */
const MAX_HEADERS = 10_000;
const RETRIES = 3;
/** So often another server is drawn by lot until it is not the one that broke, which has the fewest questions and wins nearly every draw (15 of 16, of two). */
const DRAWS = 300n;

export function backendsListener(runtimeDir: string): MessageInitShape<typeof ListenerSchema> {
  return {
    name: LISTENER.backends,
    address: pipeAddress(`${runtimeDir}/${BACKENDS_SOCKET}`, 0o600),
    perConnectionBufferLimitBytes: BUFFER_BYTES,
    // Our own connections, as many as the door's pools have; strangers must not be able to take their places.
    ignoreGlobalConnLimit: true,
    // They are few and last: without it all could be with one worker.
    connectionBalanceConfig: { balanceType: { case: 'exactBalance', value: {} } },
    // Not closed when the gateway drains: what came in before is still asked for.
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [{ name: LISTENER.backends, filters: [manager] }],
  };
}

/** On another server if there is one. */
const others: Pick<MessageInitShape<typeof RetryPolicySchema>, 'numRetries' | 'retryHostPredicate' | 'hostSelectionRetryMaxAttempts'> = {
  numRetries: RETRIES,
  retryHostPredicate: [{ name: 'envoy.retry_host_predicates.previous_hosts', configType: { case: 'typedConfig', value: pack(PreviousHostsPredicateSchema, {}) } }],
  hostSelectionRetryMaxAttempts: DRAWS,
};

/** A question changes nothing, so it may have reached a server that then broke. */
const questions = { retryOn: 'connect-failure,refused-stream,reset', ...others };
/** The same, and the first who answered was not ready: whoever says such a thing now has had its turn. */
const questionsAgain: Action['retryPolicy'] = { ...questions, retryOn: `${questions.retryOn},retriable-status-codes`, retriableStatusCodes: [502, 503, 504] };
/** Only what certainly reached nobody. */
const changes: Action['retryPolicy'] = { retryOn: 'connect-failure', ...others };

function toCluster(retryPolicy: Action['retryPolicy'], ...conditions: readonly ReturnType<typeof has>[]): Route {
  const isBackend = { name: BALANCED.cluster, headerMatchSpecifier: { case: 'stringMatch' as const, value: { matchPattern: { case: 'prefix' as const, value: BACKEND_CLUSTER_PREFIX } } } };
  return {
    match: { ...prefix('/'), headers: [isBackend, ...conditions] },
    action: {
      case: 'route',
      value: {
        clusterSpecifier: { case: 'clusterHeader', value: BALANCED.cluster },
        clusterNotFoundResponseCode: RouteAction_ClusterNotFoundResponseCode.SERVICE_UNAVAILABLE,
        hostRewriteSpecifier: { case: 'autoHostRewrite', value: { value: true } },
        // How long a question may take is the door's to say: it closes the connection, and Envoy the server's.
        timeout: seconds(0),
        idleTimeout: seconds(0),
        retryPolicy,
      },
    },
  };
}

const manager: MessageInitShape<typeof FilterSchema> = {
  name: 'envoy.filters.network.http_connection_manager',
  configType: {
    case: 'typedConfig',
    value: pack(HttpConnectionManagerSchema, {
      statPrefix: LISTENER.backends,
      // Cancelling is closing, and a long answer holds up nobody: so no HTTP/2 here.
      codecType: HttpConnectionManager_CodecType.HTTP1,
      routeSpecifier: {
        case: 'routeConfig',
        value: {
          name: LISTENER.backends,
          virtualHosts: [
            {
              name: LISTENER.backends,
              domains: ['*'],
              requestHeadersToRemove: [BALANCED.cluster, BALANCED.once, BALANCED.again, 'x-forwarded-proto', 'x-envoy-internal'],
              // Only Envoy says what is said in it.
              responseHeadersToRemove: [BALANCED.failure],
              routes: [toCluster(changes, has(BALANCED.once)), toCluster(questionsAgain, has(BALANCED.again)), toCluster(questions)],
            },
          ],
        },
      },
      httpFilters: [router()],
      useRemoteAddress: false,
      generateRequestId: false,
      // The path is as the door wrote it.
      normalizePath: false,
      serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
      maxRequestHeadersKb: MAX_HEADERS_KB,
      commonHttpProtocolOptions: { maxHeadersCount: MAX_HEADERS },
      streamIdleTimeout: seconds(0),
      localReplyConfig: envoysOwnWord(BALANCED.failure),
    }),
  },
};
