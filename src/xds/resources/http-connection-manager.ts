/**
 * What both listeners do alike with HTTP: whom a request comes from, one reading of its path, nothing trusted that the client
 * wrote, one audit line, one list of reasons. What differs is in their own files.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { HeaderValueOption_HeaderAppendAction } from '../../gen/envoy/config/core/v3/base_pb.js';
import { HttpProtocolOptions_HeadersWithUnderscoresAction } from '../../gen/envoy/config/core/v3/protocol_pb.js';
import type { FilterSchema } from '../../gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  HttpConnectionManagerSchema,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HeaderMutationSchema } from '../../gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js';
import { accessLog } from './access-log.js';
import { localReply } from './local-reply.js';
import { PEER_ISSUER_HEADER, PEER_SERIAL_HEADER, STAMPED_PREFIX } from './names.js';
import { ads, pack, seconds } from './pack.js';

type Manager = MessageInitShape<typeof HttpConnectionManagerSchema>;

export interface ManagerOptions extends Pick<
  Manager,
  'codecType' | 'http2ProtocolOptions' | 'upgradeConfigs' | 'accessLogOptions' | 'httpFilters'
> {
  readonly statPrefix: string;
  /** RDS name. */
  readonly routeName: string;
  /** A connection without a request is closed after this, s. */
  readonly idleTimeoutS: number;
  /** A stream on which nothing moves is ended after this, s; 0 = never. Routes may say otherwise. */
  readonly streamIdleTimeoutS: number;
  readonly accessLogPath: string;
}

export function connectionManager(options: ManagerOptions): MessageInitShape<typeof FilterSchema> {
  const { statPrefix, routeName, idleTimeoutS, streamIdleTimeoutS, accessLogPath, ...own } = options;
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: pack(HttpConnectionManagerSchema, {
        statPrefix,
        ...own,
        routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName: routeName } },
        // ---- who is the client: the peer is, and it is external; its x-envoy-* count for nothing
        useRemoteAddress: true,
        // The client's own XFCC is dropped, ours is made from the handshake.
        forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE_SET,
        setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
        // ---- one reading of the path for ext_authz, the routes and everything behind
        normalizePath: true,
        mergeSlashes: true,
        pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.REJECT_REQUEST,
        // ---- what the exporter sent stays as it is: do not overwrite its Server header
        serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
        commonHttpProtocolOptions: {
          // x_scrapeway_tenant reads like x-scrapeway-tenant to some.
          headersWithUnderscoresAction: HttpProtocolOptions_HeadersWithUnderscoresAction.REJECT_REQUEST,
          // No max_connection_duration: it would end tunnels, and scrapes in flight.
          idleTimeout: seconds(idleTimeoutS),
        },
        // A slow sender of headers. No request_timeout: it would end a CONNECT tunnel.
        requestHeadersTimeout: seconds(10),
        streamIdleTimeout: seconds(streamIdleTimeoutS),
        // A CONNECT that is revoked must be seen to end within a second, and Envoy's 1 s is on top of the rest. Long enough for a client
        // that still sends to have read its refusal.
        delayedCloseTimeout: seconds(0.2),
        earlyHeaderMutationExtensions: [earlyHeaderMutation],
        localReplyConfig: localReply(),
        accessLog: accessLog(accessLogPath),
      }),
    },
  };
}

/** Before anything reads a header: nothing that starts so can come from outside, under any door. */
const earlyHeaderMutation: NonNullable<Manager['earlyHeaderMutationExtensions']>[number] = {
  name: 'envoy.http.early_header_mutation.header_mutation',
  typedConfig: pack(HeaderMutationSchema, {
    mutations: [
      removeByPrefix(STAMPED_PREFIX),
      // use_remote_address removes the x-envoy-* names that Envoy knows; this removes the rest too.
      removeByPrefix('x-envoy-'),
      // XFCC has neither issuer nor serial, and with a bundle of several CAs "verified" says too little. Cheaper than the whole
      // PEM in each question (include_peer_certificate).
      setHeader(PEER_ISSUER_HEADER, '%DOWNSTREAM_PEER_ISSUER%'),
      setHeader(PEER_SERIAL_HEADER, '%DOWNSTREAM_PEER_SERIAL%'),
    ],
  }),
};

type Mutation = NonNullable<MessageInitShape<typeof HeaderMutationSchema>['mutations']>[number];

/** A header without a value (no certificate) is not added. */
function setHeader(key: string, value: string): Mutation {
  return { action: { case: 'append', value: { header: { key, value }, appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD } } };
}

function removeByPrefix(prefix: string): Mutation {
  return { action: { case: 'removeOnMatch', value: { keyMatcher: { matchPattern: { case: 'prefix', value: prefix } } } } };
}
