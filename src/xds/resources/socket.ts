/**
 * Addresses, and what every listening socket has in common.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AddressSchema } from '../../gen/envoy/config/core/v3/address_pb.js';
import type { ListenerSpec } from '../../model/desired-state.js';

/** Back pressure per connection (default 1 MiB): reads from the hub stop when this much waits for the client. */
export const DOWNSTREAM_BUFFER_BYTES = 262_144;
/** A client that connects and does not finish the TLS handshake is closed. Default: never. */
export const HANDSHAKE_TIMEOUT_S = 10;

export function socketAddress(listener: Pick<ListenerSpec, 'host' | 'port'>): MessageInitShape<typeof AddressSchema> {
  return {
    address: {
      case: 'socketAddress',
      value: { address: listener.host, portSpecifier: { case: 'portValue', value: listener.port } },
    },
  };
}

/** `mode`: where Envoy makes the socket. */
export function pipeAddress(path: string, mode = 0): MessageInitShape<typeof AddressSchema> {
  return { address: { case: 'pipe', value: { path, mode } } };
}
