/**
 * TLS towards clients. Keys, certificates and trust come by SDS, so that they rotate without a change of the listener, which
 * would drain its connections.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TransportSocketSchema } from '../../gen/envoy/config/core/v3/base_pb.js';
import type { TlsParameters_TlsProtocol } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { DownstreamTlsContextSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { ads, pack } from './pack.js';

export interface DownstreamTls {
  readonly certificateSecret: string;
  /** Trust for client certificates; undefined = none is asked for. */
  readonly trustSecret: string | undefined;
  /** false: a client may come without one; one that is shown and does not verify ends the handshake all the same. */
  readonly requireClientCertificate: boolean;
  readonly alpn: readonly string[];
  readonly minimumVersion: TlsParameters_TlsProtocol;
}

export function downstreamTls(options: DownstreamTls): MessageInitShape<typeof TransportSocketSchema> {
  const trust: Pick<NonNullable<MessageInitShape<typeof DownstreamTlsContextSchema>['commonTlsContext']>, 'validationContextType'> =
    options.trustSecret === undefined
      ? {}
      : { validationContextType: { case: 'validationContextSdsSecretConfig', value: { name: options.trustSecret, sdsConfig: ads } } };
  return {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: pack(DownstreamTlsContextSchema, {
        requireClientCertificate: options.requireClientCertificate,
        // A resumed session is not verified again: a revoked certificate would live on. Full handshakes cost little here,
        // since Prometheus and agents keep their connections.
        sessionTicketKeysType: { case: 'disableStatelessSessionResumption', value: true },
        disableStatefulSessionResumption: true,
        commonTlsContext: {
          alpnProtocols: [...options.alpn],
          tlsParams: { tlsMinimumProtocolVersion: options.minimumVersion },
          tlsCertificateSdsSecretConfigs: [{ name: options.certificateSecret, sdsConfig: ads }],
          ...trust,
        },
      }),
    },
  };
}
