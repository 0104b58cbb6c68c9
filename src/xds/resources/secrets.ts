/**
 * Certificates, keys and trust, inline: they travel over the sidecar's socket (mode 0600) and never touch a file of ours.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SecretSchema } from '../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { GatewaySpec, ListenerSpec } from '../../model/desired-state.js';
import { SECRET } from './names.js';

type Secret = MessageInitShape<typeof SecretSchema>;

function certificate(name: string, listener: ListenerSpec): Secret {
  return {
    name,
    type: {
      case: 'tlsCertificate',
      value: {
        certificateChain: { specifier: { case: 'inlineString', value: listener.certificateChainPem } },
        privateKey: { specifier: { case: 'inlineString', value: listener.privateKeyPem } },
      },
    },
  };
}

export function trust(name: string, pem: string): Secret {
  return { name, type: { case: 'validationContext', value: { trustedCa: { specifier: { case: 'inlineString', value: pem } } } } };
}

export function secrets({ scrape, agents }: GatewaySpec): Secret[] {
  return [
    ...(scrape.isClosed === true ? [] : [certificate(SECRET.scrapeServer, scrape), ...(scrape.clientCaPem === undefined ? [] : [trust(SECRET.scrapeClientsCa, scrape.clientCaPem)])]),
    ...(agents.isClosed === true ? [] : [certificate(SECRET.agentsServer, agents), trust(SECRET.agentsCa, agents.clientCaPem)]),
  ];
}
