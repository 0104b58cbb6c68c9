/**
 * Visits every message inside a message, through `Any` as well: Envoy looks at a resource after unpacking it, and so must
 * whoever checks one (PGV rules, references).
 */
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf';
import { AnySchema, anyUnpack, isWrapperDesc } from '@bufbuild/protobuf/wkt';
import type { Any } from '@bufbuild/protobuf/wkt';
import { registry } from './registry.js';

/** Where a message stands: a list from the inside out, made into text only when a fault needs it. */
export interface Place {
  readonly parent: Place | undefined;
  readonly step: string;
}

/** `virtual_hosts[2].routes[0].match`. */
export function formatPlace(place: Place | undefined): string {
  if (place === undefined) return '';
  const outer = formatPlace(place.parent);
  return outer === '' || place.step.startsWith('[') ? `${outer}${place.step}` : `${outer}.${place.step}`;
}

export interface Visitor {
  message(schema: DescMessage, message: Message, place: Place | undefined): void;
  /** An `Any` whose type is not in the registry: nothing can be said about what is in it. */
  unknown(any: Any, place: Place | undefined): void;
}

export function walk(schema: DescMessage, message: Message, visitor: Visitor, place?: Place): void {
  visitor.message(schema, message, place);
  for (const field of schema.fields) {
    if (field.message !== undefined && !isPlain(field.message)) walkField(field, field.message, message, visitor, place);
  }
}

function walkField(field: DescField, inner: DescMessage, message: Message, visitor: Visitor, parent: Place | undefined): void {
  const value = fieldValue(message, field);
  if (value === undefined) return;
  const place: Place = { parent, step: field.name };
  if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => walkValue(inner, item, visitor, { parent: place, step: `[${index}]` }));
  } else if (field.fieldKind === 'map' && typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) walkValue(inner, item, visitor, { parent: place, step: `["${key}"]` });
  } else {
    walkValue(inner, value, visitor, place);
  }
}

function walkValue(schema: DescMessage, value: unknown, visitor: Visitor, place: Place): void {
  // A wrapper field holds the bare scalar, a Struct a plain object: no message to look into.
  if (!isMessage(value)) return;
  if (!isAny(value)) return walk(schema, value, visitor, place);
  if (value.typeUrl === '') return;
  const unpacked = anyUnpack(value, registry);
  const inner = unpacked === undefined ? undefined : registry.getMessage(unpacked.$typeName);
  if (unpacked === undefined || inner === undefined) return visitor.unknown(value, place);
  walk(inner, unpacked, visitor, place);
}

/** The value of a field as protobuf-es holds it, undefined when it is not set; for a oneof's member only if it is the one. */
export function fieldValue(message: Message, field: DescField): unknown {
  if (field.oneof === undefined) return Reflect.get(message, field.localName);
  const chosen: unknown = Reflect.get(message, field.oneof.localName);
  if (typeof chosen !== 'object' || chosen === null) return undefined;
  return Reflect.get(chosen, 'case') === field.localName ? Reflect.get(chosen, 'value') : undefined;
}

/** Well-known types without fields that anyone could have put a rule on. */
function isPlain(schema: DescMessage): boolean {
  return isWrapperDesc(schema) || (schema.file.name.startsWith('google/protobuf/') && schema.typeName !== AnySchema.typeName);
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && '$typeName' in value;
}

function isAny(message: Message): message is Any {
  return message.$typeName === AnySchema.typeName;
}
