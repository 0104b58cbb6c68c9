import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { AnySchemaObject, ErrorObject } from 'ajv/dist/2020.js';
import { suggest } from './suggest.js';
import type { Path } from './yaml-source.js';

/**
 * The published JSON Schemas are the ones that validate, and their defaults are the ones that hold.
 *
 * ajv says what rule was broken; `describe` says to a person what to do, never quoting a value (it may be a secret).
 * Where a schema has a `pattern` or `anyOf`, its `title` states the rule: "must be <title>".
 */

export type SchemaName = 'gateway' | 'agent';

export interface SchemaFault {
  /** Of the value that is wrong; of an unknown or missing key, the place where it stands or should stand. */
  readonly path: Path;
  readonly kind: 'unknown' | 'missing' | 'invalid';
  readonly message: string;
  /** Another fault already says the same: of use only to know that the place is unsound. */
  readonly implied: boolean;
}

/** The published schema, as text. */
export function schemaText(name: SchemaName): string {
  return readFileSync(new URL(`../../../schema/${name}.schema.json`, import.meta.url), 'utf8');
}

/** A function that fills in the defaults (in place) and returns every fault, in no order. */
export function createSchemaCheck(name: SchemaName): SchemaCheck {
  return schemaCheck(JSON.parse(schemaText(name)));
}

export type SchemaCheck = (value: unknown) => SchemaFault[];

function schemaCheck(schema: AnySchemaObject): SchemaCheck {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, strict: true, strictRequired: false });
  const validate = ajv.compile(schema);
  return (value) => {
    validate(value);
    const errors = (validate.errors ?? []).filter(({ schemaPath }) => !INSIDE_ALTERNATIVE.test(schemaPath));
    return markImplied(errors.map((error) => describe(error, value)));
  };
}

/** What single branches of an alternative say; the alternative itself says it better. */
const INSIDE_ALTERNATIVE = /\/(?:anyOf|oneOf)\/\d+\//;

interface Described extends Omit<SchemaFault, 'implied'> {
  /** Of an unknown key: the key that was probably meant, or undefined. Of missing keys: those that would do. */
  readonly keys: readonly (string | undefined)[];
  /** The map that the key stands in or should stand in. */
  readonly parent: Path;
}

/** `tenats: …` is one mistake, not an unknown key and a missing one. */
function markImplied(faults: readonly Described[]): SchemaFault[] {
  const meant = new Set(faults.filter(({ kind }) => kind === 'unknown').flatMap(({ keys, parent }) => keys.map((key) => JSON.stringify([parent, key]))));
  return faults.map(({ keys, parent, ...fault }) => ({
    ...fault,
    implied: fault.kind === 'missing' && keys.some((key) => meant.has(JSON.stringify([parent, key]))),
  }));
}

function describe(error: ErrorObject, root: unknown): Described {
  const path = pathOf(error.instancePath, root);
  const invalid = (message: string): Described => ({ path, kind: 'invalid', message, keys: [], parent: path });
  const schema: AnySchemaObject = error.parentSchema ?? {};
  const params: Readonly<Record<string, unknown>> = error.params;
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(path, String(params['additionalProperty']), Object.keys(schema['properties'] ?? {}));
    case 'required': {
      const key = String(params['missingProperty']);
      return { path: [...path, key], kind: 'missing', message: `is missing${hint(schema['properties']?.[key])}`, keys: [key], parent: path };
    }
    case 'oneOf': {
      const keys = alternatives(schema);
      return { path, kind: 'missing', message: `needs exactly one of ${keys.map((key) => `\`${key}\``).join(', ')}`, keys, parent: path };
    }
    case 'type':
      return invalid(path.length === 0 && error.data === null ? 'the file is empty' : typeMessage(error, schema));
    case 'pattern':
    case 'anyOf':
      return invalid(`must be ${String(schema['title'] ?? 'of another form')}`);
    case 'enum':
      return invalid(`must be one of ${list(params['allowedValues'])}`);
    case 'minimum':
    case 'maximum':
      return invalid(`must be from ${schema['minimum']} to ${schema['maximum']}`);
    default:
      return invalid(sizeMessage(error.keyword, String(params['limit'])) ?? error.message ?? 'is not valid');
  }
}

function sizeMessage(keyword: string, limit: string): string | undefined {
  switch (keyword) {
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return 'must not be empty';
    case 'maxLength':
      return `is longer than ${limit} characters`;
    case 'maxItems':
    case 'maxProperties':
      return `has more than ${limit} entries`;
    case 'uniqueItems':
      return 'has the same entry twice';
    default:
      return undefined;
  }
}

function unknownKey(path: Path, key: string, known: readonly string[]): Described {
  const meant = suggest(key, known);
  const advice = meant === undefined ? `known here: ${known.toSorted().join(', ')}` : `did you mean \`${meant}\`?`;
  return { path: [...path, key], kind: 'unknown', message: `unknown key \`${key}\`; ${advice}`, keys: [meant], parent: path };
}

function alternatives(schema: AnySchemaObject): string[] {
  const branches: readonly { readonly required?: readonly string[] }[] = schema['oneOf'] ?? [];
  return branches.flatMap(({ required = [] }) => required);
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a map (key: value)',
  array: 'a list (- …)',
  string: 'text',
  integer: 'a whole number',
  boolean: 'true or false',
};

function typeMessage({ params, data }: ErrorObject, schema: AnySchemaObject): string {
  if (data === null) return 'is empty; give it a value or remove the key';
  const wanted = String(params['type']);
  if (schema['pattern'] !== undefined) return `must be ${String(schema['title'])}${wanted === 'string' && typeof data !== 'object' ? ' (as text: put it in quotes)' : ''}`;
  const quote = wanted === 'string' && typeof data !== 'object' ? '; put it in quotes' : '';
  return `must be ${TYPE_NAMES[wanted] ?? wanted}${quote}`;
}

/** The first example of a property, where it is short enough to help. */
function hint(property: AnySchemaObject | undefined): string {
  const example: unknown = property?.['examples']?.[0];
  return typeof example === 'string' ? `; for instance ${JSON.stringify(example)}` : '';
}

function list(values: unknown): string {
  return Array.isArray(values) ? values.map(String).join(', ') : '';
}

/** JSON pointer → path, with numbers where the document has lists. */
function pathOf(pointer: string, root: unknown): Path {
  let node = root;
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      const step = Array.isArray(node) ? Number(key) : key;
      node = typeof node === 'object' && node !== null ? Reflect.get(node, step) : undefined;
      return step;
    });
}
