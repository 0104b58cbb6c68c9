/**
 * Rule 23: same content, same bytes. protobuf-es writes map fields, and the fields of a `Struct`, in the order in which they
 * were put in; here they are put in order first, so that a version can be a hash of the bytes whoever built the message.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import type { DescField, DescMessage, Message, MessageInitShape } from '@bufbuild/protobuf';
import { AnySchema, StructSchema, anyPack, isWrapperDesc } from '@bufbuild/protobuf/wkt';
import type { Any } from '@bufbuild/protobuf/wkt';
import { fieldValue } from './walk.js';

/** The one encoding of a message. What is in an `Any` was encoded before: by `pack`. */
export function encode(schema: DescMessage, message: Message): Uint8Array {
  sortMaps(schema, message);
  return toBinary(schema, message);
}

/** An `Any` with the type URL that Envoy looks up (`type.googleapis.com/…`). */
export function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  const message = create(schema, init);
  sortMaps(schema, message);
  return anyPack(schema, message);
}

function sortMaps(schema: DescMessage, message: Message): void {
  for (const field of schema.fields) {
    const value = fieldValue(message, field);
    if (typeof value !== 'object' || value === null) continue;
    if (field.fieldKind === 'map') setValue(message, field, sorted(value));
    if (field.message === undefined) continue;
    if (field.message.typeName === StructSchema.typeName) {
      setValue(message, field, sortedDeep(value));
    } else if (!isLeaf(field.message)) {
      for (const inner of field.fieldKind === 'message' ? [value] : Object.values(value)) if (isMessage(inner)) sortMaps(field.message, inner);
    }
  }
}

/** Whether there is nothing in it to sort. */
function isLeaf(schema: DescMessage): boolean {
  return schema.typeName === AnySchema.typeName || isWrapperDesc(schema);
}

function setValue(message: Message, field: DescField, value: unknown): void {
  if (field.oneof === undefined) Reflect.set(message, field.localName, value);
  else Reflect.set(message, field.oneof.localName, { case: field.localName, value });
}

function sorted(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A `Struct` is a plain JSON value. */
function sortedDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedDeep);
  if (typeof value !== 'object' || value === null) return value;
  return sorted(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sortedDeep(item)])));
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && '$typeName' in value;
}
