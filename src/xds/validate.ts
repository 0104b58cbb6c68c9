/**
 * Envoy's own validation rules (PGV, `validate.rules` options), enforced before a resource is published: a NACK in production
 * is a fault found too late (DESIGN §2.9, xds.md rule 24). Each message type is compiled once into a list of field checks;
 * the walk through a resource runs them. All faults are reported at once, each with the path of its field.
 */
import { getOption, hasOption } from '@bufbuild/protobuf';
import type { DescField, DescMessage, DescOneof, Message } from '@bufbuild/protobuf';
import { disabled, ignored, required, rules } from '../gen/validate/validate_pb.js';
import type { Fault } from '../lib/result.js';
import { compileRules, isEmpty } from './pgv-rules.js';
import { fieldValue, formatPlace, walk } from './walk.js';
import type { Place } from './walk.js';

/**
 * Rules of our protos (Envoy 1.31) that the Envoy which is shipped no longer has (xds.md rule 24: rules may be loosened). Each
 * with what it is needed for; the test against the real Envoy shows that it takes them.
 */
const LOOSENED: ReadonlySet<string> = new Set([
  // A rate limit descriptor without a value is a wildcard: every value gets its own bucket.
  'envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry.value',
]);

type Report = (step: string, message: string) => void;
type FieldCheck = (message: Message, report: Report) => void;

const compiled = new Map<DescMessage, readonly FieldCheck[]>();

/** The checks of one message type, not of those inside it. Throws on a rule of a kind that is not known. */
export function compileMessage(schema: DescMessage): readonly FieldCheck[] {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const off = (hasOption(schema, disabled) && getOption(schema, disabled)) || (hasOption(schema, ignored) && getOption(schema, ignored));
  const checks = off
    ? []
    : [
        ...schema.oneofs.filter((oneof) => hasOption(oneof, required) && getOption(oneof, required)).map(oneofCheck),
        ...schema.fields.filter((field) => hasOption(field, rules) && !LOOSENED.has(fieldName(field))).map(fieldCheck),
      ];
  compiled.set(schema, checks);
  return checks;
}

function fieldName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

function oneofCheck(oneof: DescOneof): FieldCheck {
  const names = oneof.fields.map((field) => field.name).join(', ');
  return (message, report) => {
    const chosen: unknown = Reflect.get(message, oneof.localName);
    const isSet = typeof chosen === 'object' && chosen !== null && Reflect.get(chosen, 'case') !== undefined;
    if (!isSet) report(oneof.name, `one of ${names} must be set`);
  };
}

function fieldCheck(field: DescField): FieldCheck {
  const compiledRules = compileRules(getOption(field, rules), field.enum, fieldName(field));
  return (message, report) => {
    const value = fieldValue(message, field);
    if (value === undefined) {
      // A member of a oneof that is not the chosen one is not missing.
      if (compiledRules.required && field.oneof === undefined) report(field.name, 'is required');
      return;
    }
    if (compiledRules.ignoreEmpty && isEmpty(value)) return;
    for (const check of compiledRules.checks) {
      for (const complaint of check(value)) report(`${field.name}${complaint.step}`, complaint.message);
    }
  };
}

/** Every fault of a resource. `root` is put before the path of each field (`listener "scrape"`). */
export function validateMessage(schema: DescMessage, message: Message, root: string): readonly Fault[] {
  const faults: Fault[] = [];
  const place = (where: Place | undefined, step: string): string =>
    [root, formatPlace(step === '' ? where : { parent: where, step })].filter((part) => part !== '').join(' ');
  walk(schema, message, {
    message: (inner, value, where) => {
      for (const check of compileMessage(inner)) {
        check(value, (step, complaint) => faults.push({ place: place(where, step), message: complaint }));
      }
    },
    unknown: (any, where) =>
      faults.push({ place: place(where, ''), message: `${any.typeUrl || 'an empty Any'} cannot be checked: no such message in the generated code` }),
  });
  return faults;
}
