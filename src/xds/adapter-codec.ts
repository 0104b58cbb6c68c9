/**
 * The messages of `adapter.Adapter` by hand: five requests, whose fields are strings but for one list of `Any`, and answers of
 * one field. The harness's own .proto is not ours to commit.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { PackedResource } from './adapter-state.js';

/** The strings of a message by field number, and what is in its repeated field 3 if that is messages. */
interface Fields {
  readonly strings: ReadonlyMap<number, string>;
  readonly messages: readonly Uint8Array[];
}

export interface SetStateRequest {
  readonly version: string;
  readonly resources: readonly PackedResource[];
}

export interface ResourceRequest {
  readonly typeUrl: string;
  readonly name: string;
  readonly version: string;
}

/** `node` 1, `version` 2, `resources` 3. */
export function decodeSetState(bytes: Uint8Array): SetStateRequest {
  const { strings, messages } = fields(bytes, 3);
  return { version: strings.get(2) ?? '', resources: messages.map(decodeAny) };
}

/** `node` 1, `typeUrl` 2, `resourceName` 3, `version` 4. */
export function decodeResource(bytes: Uint8Array): ResourceRequest {
  const { strings } = fields(bytes);
  return { typeUrl: strings.get(2) ?? '', name: strings.get(3) ?? '', version: strings.get(4) ?? '' };
}

/** `success` 1 = true. */
export function encodeSuccess(): Uint8Array {
  return new BinaryWriter().tag(1, WireType.Varint).bool(true).finish();
}

/** `response` 1. */
export function encodeText(text: string): Uint8Array {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(text).finish();
}

/** `type_url` 1, `value` 2. */
function decodeAny(bytes: Uint8Array): PackedResource {
  const { strings, messages } = fields(bytes, 2);
  return { typeUrl: strings.get(1) ?? '', value: messages[0] ?? new Uint8Array() };
}

function fields(bytes: Uint8Array, messageField?: number): Fields {
  const reader = new BinaryReader(bytes);
  const strings = new Map<number, string>();
  const messages: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type, field);
    else if (field === messageField) messages.push(reader.bytes());
    else strings.set(field, reader.string());
  }
  return { strings, messages };
}
