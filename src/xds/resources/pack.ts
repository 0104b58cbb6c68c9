/**
 * Small helpers that every builder uses. All builders are pure and return plain init shapes; `create` happens once, when a
 * snapshot is made.
 */
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import type { DurationSchema } from '@bufbuild/protobuf/wkt';
import { ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import type { ConfigSourceSchema } from '../../gen/envoy/config/core/v3/config_source_pb.js';

/** The plain shape alone, where a builder spreads one shape into another (a whole message cannot be spread). */
export type Init<Desc extends DescMessage> = Extract<MessageInitShape<Desc>, { readonly $typeName?: never }>;

export { pack } from '../encode.js';

/** A duration of whole or broken seconds. */
export function seconds(value: number): MessageInitShape<typeof DurationSchema> {
  const whole = Math.floor(value);
  return { seconds: BigInt(whole), nanos: Math.round((value - whole) * 1e9) };
}

/** Everything that Envoy fetches, it fetches over the one ADS stream. */
export const ads: MessageInitShape<typeof ConfigSourceSchema> = {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
};
