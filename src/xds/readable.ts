/**
 * A resource as JSON for people: field names as in Envoy's documentation, `Any` unpacked, and nothing in it that its proto calls
 * sensitive. A sensitive value is shown as a keyed hash, so that a change is seen and nothing can be guessed from it.
 */
import { fromBinary, getOption, hasOption, toJson } from '@bufbuild/protobuf';
import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { createHmac, randomBytes } from 'node:crypto';
import { sensitive } from '../gen/udpa/annotations/sensitive_pb.js';
import { registry } from './registry.js';

/** Of this process: hashes say "the same" or "another" within one status, and mean nothing elsewhere. */
const KEY = randomBytes(32);

/** `bytes` are an encoded message of type `schema`. */
export function readable(schema: DescMessage, bytes: Uint8Array): JsonValue {
  return withoutSecrets(schema, toJson(schema, fromBinary(schema, bytes), { registry, useProtoFieldName: true }));
}

function withoutSecrets(schema: DescMessage, json: JsonValue): JsonValue {
  if (!isObject(json)) return json;
  const type = schema.typeName === AnySchema.typeName ? registry.getMessage(String(json['@type']).replace(/^.*\//, '')) : schema;
  // A well-known type has a form of its own in JSON, and no fields to look at.
  if (type === undefined || type.file.name.startsWith('google/protobuf/')) return json;
  const fields = new Map(type.fields.map((field) => [field.name, field]));
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, fieldWithoutSecrets(fields.get(key), value)]));
}

function fieldWithoutSecrets(field: DescField | undefined, value: JsonValue): JsonValue {
  if (field === undefined) return value;
  if (hasOption(field, sensitive) && getOption(field, sensitive)) return redacted(value);
  const { message } = field;
  if (message === undefined) return value;
  if (field.fieldKind === 'map') {
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutSecrets(message, item)])) : value;
  }
  return Array.isArray(value) ? value.map((item) => withoutSecrets(message, item)) : withoutSecrets(message, value);
}

function redacted(value: JsonValue): string {
  return `[redacted ${createHmac('sha256', KEY).update(JSON.stringify(value)).digest('hex').slice(0, 8)}]`;
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
