/**
 * One PGV rule set (`validate.FieldRules`) → one function that says what is wrong with a value (xds.md rule 24, facts/protos.md §5).
 *
 * Closed: a rule that is set and not known here throws when it is compiled, so a new kind of rule in the protos fails the
 * tests and the start, and is never silently passed over.
 */
import { isFieldSet } from '@bufbuild/protobuf';
import type { DescEnum, DescMessage, Message } from '@bufbuild/protobuf';
import { RE2JS } from 're2js';
import { FieldRulesSchema, KnownRegex } from '../gen/validate/validate_pb.js';
import type { BytesRules, DurationRules, EnumRules, FieldRules, MapRules, RepeatedRules, StringRules } from '../gen/validate/validate_pb.js';

/** What is wrong with a value; nothing when it is right. Inner places (`[3]`, `["key"]`) come before the message. */
export type Complaint = { readonly step: string; readonly message: string };
export type Check = (value: unknown) => readonly Complaint[];

const FINE: readonly Complaint[] = [];

function complain(message: string): readonly Complaint[] {
  return [{ step: '', message }];
}

/** A check of one value of one JavaScript type; a value of another type can only be a bug of ours. */
function checkOf<T>(is: (value: unknown) => value is T, complaint: (value: T) => string | undefined): Check {
  return (value) => {
    if (!is(value)) throw new Error(`validate: value of unexpected type ${typeof value}`);
    const message = complaint(value);
    return message === undefined ? FINE : complain(message);
  };
}

export interface CompiledRules {
  readonly checks: readonly Check[];
  readonly required: boolean;
  /** A zero value passes whatever the checks say. */
  readonly ignoreEmpty: boolean;
}

/** Compiles the rules of a field, or of the items, keys or values of one. Throws on a rule that is not known. */
export function compileRules(rules: FieldRules, enumType: DescEnum | undefined, where: string): CompiledRules {
  const own = compileType(rules, enumType, where);
  const set = rules.message === undefined ? undefined : setFields(rules.message, messageDesc('message'), ['required'], where);
  return {
    checks: own.checks,
    ignoreEmpty: own.ignoreEmpty,
    required: own.required || (set?.has('required') === true && rules.message?.required === true),
  };
}

interface Compiled {
  readonly checks: readonly Check[];
  readonly ignoreEmpty: boolean;
  readonly required: boolean;
}

function compileType(rules: FieldRules, enumType: DescEnum | undefined, where: string): Compiled {
  const { type } = rules;
  if (isNumeric(type)) return { ...numbers(type.value, type.case, where), required: false };
  switch (type.case) {
    case undefined:
      return { checks: [], ignoreEmpty: false, required: false };
    case 'bool':
      setFields(type.value, messageDesc('bool'), ['const'], where);
      return plain([checkOf(isBoolean, (v) => (v === type.value.const ? undefined : `must be ${type.value.const}`))]);
    case 'string':
      return { ...strings(type.value, where), required: false };
    case 'bytes':
      return plain(byteStrings(type.value, where));
    case 'enum':
      return plain(enums(type.value, enumType, where));
    case 'repeated':
      return { ...lists(type.value, enumType, where), required: false };
    case 'map':
      return { ...maps(type.value, where), required: false };
    case 'any':
      setFields(type.value, messageDesc('any'), ['required'], where);
      return { checks: [], ignoreEmpty: false, required: type.value.required };
    case 'duration':
      return durations(type.value, where);
    case 'timestamp':
      throw unknownRule('timestamp', where);
  }
}

function plain(checks: readonly Check[]): Compiled {
  return { checks, ignoreEmpty: false, required: false };
}

function unknownRule(name: string, where: string): Error {
  return new Error(`validate: ${where} has the rule "${name}", which is not implemented; add it to pgv-rules.ts`);
}

function messageDesc(rule: string): DescMessage {
  const desc = FieldRulesSchema.fields.find((field) => field.name === rule)?.message;
  if (desc === undefined) throw new Error(`validate: no rules of type ${rule}`);
  return desc;
}

/** The names of the rules that are set. Throws on one that is not among `known`. */
function setFields(rules: Message, schema: DescMessage, known: readonly string[], where: string): ReadonlySet<string> {
  const set = schema.fields.filter((field) => isFieldSet(rules, field)).map((field) => field.name);
  const unknown = set.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownRule(`${schema.name}.${unknown}`, where);
  return new Set(set);
}

// ---- numbers

type Ordered = number | bigint;

interface NumericRules extends Message {
  readonly lt: Ordered;
  readonly lte: Ordered;
  readonly gt: Ordered;
  readonly gte: Ordered;
  readonly ignoreEmpty: boolean;
}

interface Range {
  readonly lt: Ordered | undefined;
  readonly lte: Ordered | undefined;
  readonly gt: Ordered | undefined;
  readonly gte: Ordered | undefined;
}

/** PGV: an upper bound below the lower one means "outside of the gap", not "nothing". */
function outsideRange(value: Ordered, range: Range, show: (value: Ordered) => string = String): string | undefined {
  const upper = range.lt ?? range.lte;
  const lower = range.gt ?? range.gte;
  const belowUpper = upper === undefined || (range.lt === undefined ? value <= upper : value < upper);
  const aboveLower = lower === undefined || (range.gt === undefined ? value >= lower : value > lower);
  const inverted = upper !== undefined && lower !== undefined && upper < lower;
  if (inverted ? belowUpper || aboveLower : belowUpper && aboveLower) return undefined;
  const parts = [
    ...(lower === undefined ? [] : [`${range.gt === undefined ? '≥' : '>'} ${show(lower)}`]),
    ...(upper === undefined ? [] : [`${range.lt === undefined ? '≤' : '<'} ${show(upper)}`]),
  ];
  return `must be ${parts.join(inverted ? ' or ' : ' and ')}, is ${show(value)}`;
}

type NumericType = Extract<FieldRules['type'], { value: NumericRules }>;

const NUMERIC_CASES: ReadonlySet<string> = new Set(
  ['float', 'double', ...['int', 'uint', 'sint', 'fixed', 'sfixed'].flatMap((type) => [`${type}32`, `${type}64`])],
);

function isNumeric(type: FieldRules['type']): type is NumericType {
  return type.case !== undefined && NUMERIC_CASES.has(type.case);
}

function numbers(rules: NumericRules, kind: string, where: string): Omit<Compiled, 'required'> {
  const set = setFields(rules, messageDesc(kind), ['lt', 'lte', 'gt', 'gte', 'ignore_empty'], where);
  const limit = (name: 'lt' | 'lte' | 'gt' | 'gte'): Ordered | undefined => (set.has(name) ? rules[name] : undefined);
  const range: Range = { lt: limit('lt'), lte: limit('lte'), gt: limit('gt'), gte: limit('gte') };
  return { checks: [checkOf(isOrdered, (value) => outsideRange(value, range))], ignoreEmpty: set.has('ignore_empty') && rules.ignoreEmpty };
}

function durations(rules: DurationRules, where: string): Compiled {
  const set = setFields(rules, messageDesc('duration'), ['required', 'lt', 'lte', 'gt', 'gte'], where);
  const limit = (name: 'lt' | 'lte' | 'gt' | 'gte'): bigint | undefined => (set.has(name) ? nanosOf(rules[name]) : undefined);
  const range: Range = { lt: limit('lt'), lte: limit('lte'), gt: limit('gt'), gte: limit('gte') };
  const check: Check = (value) => {
    const outside = outsideRange(nanosOf(value), range, (nanos) => `${Number(nanos) / 1e9}s`);
    return outside === undefined ? FINE : complain(outside);
  };
  return { checks: [check], ignoreEmpty: false, required: set.has('required') && rules.required };
}

/** A duration as nanoseconds: seconds alone would lose the part that a rule may be about. */
function nanosOf(value: unknown): bigint {
  if (typeof value !== 'object' || value === null) throw new Error('validate: not a duration');
  const whole: unknown = Reflect.get(value, 'seconds');
  const nanos: unknown = Reflect.get(value, 'nanos');
  if (typeof whole !== 'bigint' || typeof nanos !== 'number') throw new Error('validate: not a duration');
  return whole * 1_000_000_000n + BigInt(nanos);
}

// ---- strings and bytes

/** The patterns of PGV itself. `strict: false` only keeps out what would split a header. */
const HEADER_NAME = RE2JS.compile('^:?[0-9a-zA-Z!#$%&\'*+-.^_|~`]+$');
const HEADER_VALUE = RE2JS.compile('^[^\\x00-\\x08\\x0A-\\x1F\\x7F]*$');
const LOOSE_HEADER = RE2JS.compile('^[^\\x00\\n\\r]*$');

function strings(rules: StringRules, where: string): Omit<Compiled, 'required'> {
  const known = ['min_len', 'max_bytes', 'pattern', 'in', 'well_known_regex', 'strict', 'ignore_empty'];
  const set = setFields(rules, messageDesc('string'), known, where);
  const checks: Check[] = [];
  const add = (name: string, complaint: (value: string) => string | undefined): void => {
    if (set.has(name)) checks.push(checkOf(isString, complaint));
  };
  // Lengths count code points, `*_bytes` count UTF-8 bytes.
  add('min_len', (v) => (codePoints(v) >= rules.minLen ? undefined : rules.minLen === 1n ? 'must not be empty' : `must have at least ${rules.minLen} characters`));
  add('max_bytes', (v) => (Buffer.byteLength(v) <= rules.maxBytes ? undefined : `must have at most ${rules.maxBytes} bytes`));
  add('in', (v) => (rules.in.includes(v) ? undefined : `must be one of ${rules.in.join(', ')}`));
  if (set.has('pattern')) {
    const pattern = RE2JS.compile(rules.pattern);
    add('pattern', (v) => (pattern.matcher(v).find() ? undefined : `must match ${rules.pattern}`));
  }
  if (set.has('well_known_regex')) {
    const { regex, what } = headerRegex(rules, set.has('strict') && !rules.strict, where);
    add('well_known_regex', (v) => (regex.matcher(v).find() ? undefined : `must be ${what}`));
  }
  return { checks, ignoreEmpty: set.has('ignore_empty') && rules.ignoreEmpty };
}

function headerRegex(rules: StringRules, loose: boolean, where: string): { readonly regex: RE2JS; readonly what: string } {
  switch (rules.wellKnown.case === 'wellKnownRegex' ? rules.wellKnown.value : KnownRegex.UNKNOWN) {
    case KnownRegex.HTTP_HEADER_NAME:
      return { regex: loose ? LOOSE_HEADER : HEADER_NAME, what: 'a header name' };
    case KnownRegex.HTTP_HEADER_VALUE:
      return { regex: loose ? LOOSE_HEADER : HEADER_VALUE, what: 'a header value' };
    case KnownRegex.UNKNOWN:
      throw unknownRule('string.well_known_regex UNKNOWN', where);
  }
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function byteStrings(rules: BytesRules, where: string): Check[] {
  const set = setFields(rules, messageDesc('bytes'), ['min_len', 'max_len'], where);
  return [
    checkOf(isBytes, (value) => {
      if (set.has('min_len') && value.length < rules.minLen) return `must have at least ${rules.minLen} bytes`;
      return set.has('max_len') && value.length > rules.maxLen ? `must have at most ${rules.maxLen} bytes` : undefined;
    }),
  ];
}

// ---- enums, lists, maps

function enums(rules: EnumRules, enumType: DescEnum | undefined, where: string): Check[] {
  const set = setFields(rules, messageDesc('enum'), ['defined_only', 'not_in'], where);
  if (enumType === undefined) throw new Error(`validate: ${where} has enum rules and is no enum`);
  return [
    checkOf(isNumber, (value) => {
      const name = enumType.value[value]?.name;
      if (set.has('defined_only') && rules.definedOnly && name === undefined) return `must be a value of ${enumType.name}, is ${value}`;
      return rules.notIn.includes(value) ? `must not be ${name ?? value}` : undefined;
    }),
  ];
}

function lists(rules: RepeatedRules, enumType: DescEnum | undefined, where: string): Omit<Compiled, 'required'> {
  const set = setFields(rules, messageDesc('repeated'), ['min_items', 'max_items', 'unique', 'items', 'ignore_empty'], where);
  const checks: Check[] = [
    checkOf(isList, (list) => {
      if (set.has('min_items') && list.length < rules.minItems) return `must have at least ${rules.minItems} item${rules.minItems === 1n ? '' : 's'}`;
      if (set.has('max_items') && list.length > rules.maxItems) return `must have at most ${rules.maxItems} items`;
      return rules.unique && new Set(list).size !== list.length ? 'must not hold the same item twice' : undefined;
    }),
  ];
  if (rules.items !== undefined) checks.push(eachOf(compileRules(rules.items, enumType, `${where} items`), listEntries));
  return { checks, ignoreEmpty: set.has('ignore_empty') && rules.ignoreEmpty };
}

function maps(rules: MapRules, where: string): Omit<Compiled, 'required'> {
  const set = setFields(rules, messageDesc('map'), ['min_pairs', 'keys', 'ignore_empty'], where);
  const checks: Check[] = [];
  if (set.has('min_pairs')) {
    checks.push(checkOf(isObject, (map) => (Object.keys(map).length >= rules.minPairs ? undefined : `must have at least ${rules.minPairs} entries`)));
  }
  if (rules.keys !== undefined) checks.push(eachOf(compileRules(rules.keys, undefined, `${where} keys`), keyEntries));
  return { checks, ignoreEmpty: set.has('ignore_empty') && rules.ignoreEmpty };
}

type Entries = (value: unknown) => readonly (readonly [step: string, item: unknown])[];

const listEntries: Entries = (value) => (isList(value) ? value.map((item, index) => [`[${index}]`, item] as const) : []);
const keyEntries: Entries = (value) => (isObject(value) ? Object.keys(value).map((key) => [`["${key}"]`, key] as const) : []);

function eachOf(rules: CompiledRules, entries: Entries): Check {
  return (value) =>
    entries(value).flatMap(([step, item]) =>
      rules.ignoreEmpty && isEmpty(item)
        ? []
        : rules.checks.flatMap((check) => check(item)).map((found) => ({ step: `${step}${found.step}`, message: found.message })),
    );
}

/** The zero value of a scalar, or a list or map without entries. */
export function isEmpty(value: unknown): boolean {
  if (isList(value)) return value.length === 0;
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === '' || value === 0 || value === 0n || value === false;
}

// ---- JavaScript types

const isString = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';
const isOrdered = (value: unknown): value is Ordered => typeof value === 'number' || typeof value === 'bigint';
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
