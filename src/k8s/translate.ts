import type { ExportDestination, ExportTerms, QueryGrant } from '../model/desired-state.js';
import type { SecretName } from '../model/kubernetes.js';
import type { Rule } from '../promql/enforce/policy.js';
import { err } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { identify, readMetricAccess } from './metric-access.js';
import type { Identified, MetricAccess, ObjectRef } from './metric-access.js';
import { askedExport } from './asked-export.js';
import type { Ceiling } from './ceiling.js';
import type { ExportGround, NoExport, ObjectExport, ReadOwnSecret } from './object-export.js';
import { secretText } from './secrets.js';
import type { SecretData } from './secrets.js';
import { readCeiling, readPattern, selectorOfAll, suspicion } from './pattern.js';

/**
 * MetricAccess objects → what their tenants may query, and what is to be said of each object.
 *
 * An object asks, an admin's terms give: of each pattern only what lies within a ceiling gets through, several objects are united, and
 * what is refused is refused alone and said. Pure: all objects in, all grants out.
 */

/** An admin's word on whose objects speak for a tenant, and how much they can give it at most. */
export interface MetricAccessTerms {
  readonly tenant: string;
  readonly namespaces: readonly string[];
  readonly within: readonly QueryGrant[];
  /** Where to its objects may export; undefined = nowhere. */
  readonly exports?: ExportTerms | undefined;
}

export interface TranslationRules {
  readonly terms: readonly MetricAccessTerms[];
  /** For namespaces in nobody's terms: nothing, or the tenant of the namespace's name sees the series with `namespace` = its own. */
  readonly withoutTerms: 'deny' | 'own-namespace';
  /** Those that there are: what others would get, nobody would, and that is said. */
  readonly tenants: ReadonlySet<string>;
  /** The admin's list. */
  readonly destinations?: readonly ExportDestination[];
  readonly clusterDomain?: string;
  /** A Secret as it is now, or why it cannot be had; undefined: none is read. */
  readonly look?: LookAtSecret | undefined;
}

export type LookAtSecret = (secret: SecretName) => SecretData | string;

export interface Refused {
  /** `spec.metrics[2]` */
  readonly place: string;
  readonly message: string;
}

/** What became of one object. */
export interface Verdict extends Identified {
  /** Patterns that give something, as they were written. */
  readonly inForce: readonly string[];
  readonly refused: readonly Refused[];
  readonly warnings: readonly Refused[];
  /** Undefined: none is asked for. */
  readonly exported: ExportVerdict | undefined;
}

export type ExportVerdict = { readonly active: true; readonly tenant: string; readonly name: string } | ({ readonly active: false } & NoExport);

export interface Translation {
  /** By tenant. */
  readonly grants: ReadonlyMap<string, readonly QueryGrant[]>;
  readonly verdicts: readonly Verdict[];
  /** By tenant. */
  readonly exports: ReadonlyMap<string, readonly ObjectExport[]>;
}

const MAX_PATTERNS = 1_000;
const MAX_PATTERN_CHARS = 4_096;
const MAX_SHOWN_CHARS = 200;
/** Of one object, under all ceilings: a pattern that would take it beyond is refused. */
const MAX_SELECTORS = 10_000;

/**
 * Translates all objects each time; what became of an object that has not been replaced since, under ceilings that have not changed
 * since, is remembered.
 */
export type Translate = (objects: readonly object[], rules: TranslationRules) => Translation;

interface Remembered {
  readonly identified: Identified;
  readonly over: readonly Ceiling[];
  /** Those that were asked for, as they were. */
  readonly secrets: ReadonlyMap<string, SecretData | string>;
  readonly result: Translated;
}

/** Objects that are not even objects of a namespace are left out: there is nobody to tell. */
export function createTranslate(): Translate {
  let ceilings = new Ceilings({ terms: [], withoutTerms: 'deny', tenants: new Set() }, new Map());
  let look: LookAtSecret | undefined;
  const known = new WeakMap<object, Remembered>();
  const translated = (object: object): Translated | undefined => {
    const before = known.get(object);
    const identified = before?.identified ?? identify(object);
    if (identified === undefined) return undefined;
    const { namespace } = identified.object;
    const over = ceilings.of(namespace);
    if (before?.over === over && [...before.secrets].every(([name, secret]) => look?.({ namespace, name }) === secret)) return before.result;
    const secrets = new Map<string, SecretData | string>();
    const from = look;
    // Its own namespace, whatever stands in the object.
    const ownSecret = from && ((name: string, key: string): Result<string, string> => {
      const secret = from({ namespace, name });
      secrets.set(name, secret);
      return secretText(secret, key);
    });
    const result = translateOne(object, { identified, over, ownSecret });
    known.set(object, { identified, over, secrets, result });
    return result;
  };
  return (objects, rules) => {
    ceilings = new Ceilings(rules, ceilings.compiled);
    look = rules.look;
    const grants = new Map<string, QueryGrant[]>();
    const verdicts: Verdict[] = [];
    const exports = new Map<string, ObjectExport[]>();
    for (const object of objects) {
      const result = translated(object);
      if (result === undefined) continue;
      verdicts.push(withExport(result, exports));
      for (const { tenant, grant } of result.given) {
        const others = grants.get(tenant);
        if (others === undefined) grants.set(tenant, [grant]);
        else others.push(grant);
      }
    }
    return { grants, verdicts, exports };
  };
}

/** Adds the object's export to the others, unless there are too many. */
function withExport({ verdict, crowded, wanted }: Translated, exports: Map<string, ObjectExport[]>): Verdict {
  if (wanted === undefined) return verdict;
  const others = exports.get(wanted.tenant) ?? [];
  if (others.length >= wanted.max) return crowded;
  exports.set(wanted.tenant, [...others, wanted.given]);
  return verdict;
}

interface Translated {
  readonly verdict: Verdict;
  /** What is said instead where the tenant has as many exports as it may. */
  readonly crowded: Verdict;
  readonly wanted: { readonly tenant: string; readonly max: number; readonly given: ObjectExport } | undefined;
  readonly given: readonly Given[];
}

interface Given {
  readonly tenant: string;
  readonly grant: QueryGrant;
}

const NONE: readonly Ceiling[] = [];

/** The ceilings of each namespace; those that say what they said before are the same value as before. */
class Ceilings {
  /** By what they were compiled from. */
  readonly compiled = new Map<string, readonly Ceiling[]>();
  readonly #before: ReadonlyMap<string, readonly Ceiling[]>;
  readonly #terms = new Map<string, MetricAccessTerms[]>();
  readonly #known = new Map<string, readonly Ceiling[]>();
  readonly #rules: TranslationRules;

  constructor(rules: TranslationRules, before: ReadonlyMap<string, readonly Ceiling[]>) {
    this.#rules = rules;
    this.#before = before;
    for (const terms of rules.terms) {
      for (const namespace of new Set(terms.namespaces)) {
        const others = this.#terms.get(namespace);
        if (others === undefined) this.#terms.set(namespace, [terms]);
        else others.push(terms);
      }
    }
  }

  of(namespace: string): readonly Ceiling[] {
    const known = this.#known.get(namespace);
    if (known !== undefined) return known;
    const found = this.#find(namespace);
    this.#known.set(namespace, found);
    return found;
  }

  #find(namespace: string): readonly Ceiling[] {
    const terms = this.#terms.get(namespace);
    if (terms !== undefined) {
      const sources = terms.map(({ tenant, within, exports }) => ({ tenant, within, ground: this.#ground(exports), exists: this.#rules.tenants.has(tenant) }));
      return this.#once(sources, () => sources.flatMap(({ tenant, within, ground, exists }) => within.map((grant): Ceiling => ({ tenant, ground, backends: grant.backends, rules: exists ? readCeiling(grant) : err('there is no such tenant') }))));
    }
    if (this.#rules.withoutTerms === 'deny' || !this.#rules.tenants.has(namespace)) return NONE;
    return this.#once(namespace, () => [{ tenant: namespace, backends: undefined, rules: readCeiling({ backends: undefined, metrics: ['.+'], labels: { namespace } }), ground: undefined }]);
  }

  #ground(terms: ExportTerms | undefined): ExportGround | undefined {
    const { destinations = [], clusterDomain = 'cluster.local' } = this.#rules;
    return terms && { terms, destinations: destinations.filter(({ name }) => terms.destinations.includes(name)), clusterDomain };
  }

  #once(source: unknown, compile: () => readonly Ceiling[]): readonly Ceiling[] {
    const key = JSON.stringify(source);
    const found = this.compiled.get(key) ?? this.#before.get(key) ?? compile();
    this.compiled.set(key, found);
    return found;
  }
}

interface Surroundings {
  readonly over: readonly Ceiling[];
  readonly ownSecret: ReadOwnSecret | undefined;
}

function translateOne(object: unknown, { identified, over, ownSecret }: Surroundings & { readonly identified: Identified }): Translated {
  const nothing = { ...identified, inForce: [], warnings: [], exported: undefined };
  const read = readMetricAccess(object, identified);
  const alone = (verdict: Verdict): Translated => ({ verdict, crowded: verdict, wanted: undefined, given: [] });
  if (!read.ok) return alone({ ...nothing, refused: read.error });
  const exported = read.value.remoteWrite === undefined ? undefined : ({ active: false, reason: 'NotAllowed', message: noTerms(identified.object).message } as const);
  if (over.length === 0) return alone({ ...nothing, exported, refused: [noTerms(identified.object)] });
  return translateRead(read.value, { over, ownSecret });
}

function noTerms({ namespace }: ObjectRef): Refused {
  return { place: 'metadata.namespace', message: `no tenant takes the word of the namespace ${namespace}; an admin adds it to a tenant's metricAccess.namespaces` };
}

function translateRead(access: MetricAccess, { over: ceilings, ownSecret }: Surroundings): Translated {
  const refused: Refused[] = [];
  const warnings: Refused[] = [];
  const inForce: string[] = [];
  const selectors = new Map<Ceiling, Set<string>>();
  let count = 0;
  access.metrics.forEach((text, index) => {
    const place = `spec.metrics[${index}]`;
    const pattern = index >= MAX_PATTERNS ? tooMany() : text.length > MAX_PATTERN_CHARS ? tooLong() : readPattern(text, access.labelSelectors);
    if (!pattern.ok) {
      // A selector's fault begins with its text already.
      const shown = text.slice(0, MAX_SHOWN_CHARS);
      refused.push({ place, message: pattern.error.startsWith(`${shown}: `) ? pattern.error : `${shown}: ${pattern.error}` });
      return;
    }
    const { found, problem } = under(pattern.value, ceilings);
    count += found.length;
    if (found.length === 0 || count > MAX_SELECTORS) {
      const reason = found.length > 0 ? `makes more than ${MAX_SELECTORS} selectors under its ceilings` : (problem ?? 'lies outside of what an admin allows this namespace');
      refused.push({ place, message: `${text.slice(0, MAX_SHOWN_CHARS)}: ${reason}` });
      return;
    }
    for (const { ceiling, selector } of found) selectors.set(ceiling, (selectors.get(ceiling) ?? new Set()).add(selector));
    inForce.push(text);
    const suspected = suspicion(text, pattern.value);
    if (suspected !== undefined) warnings.push({ place, message: `${text}: ${suspected}` });
  });
  if (access.metrics.length === 0) refused.push({ place: 'spec.metrics', message: 'is empty, so nothing is allowed' });
  const given = [...selectors].map(([{ tenant, backends }, metrics]) => ({ tenant, grant: { backends, metrics: [...metrics], labels: {} } }));
  const verdict: Verdict = { object: access.object, generation: access.generation, inForce, refused, warnings, exported: undefined };
  const asked = askedExport(access, { inForce, over: ceilings, ownSecret });
  if (asked === undefined) return { verdict, crowded: verdict, wanted: undefined, given };
  if (!asked.ok) return { verdict: { ...verdict, exported: { active: false, ...asked.error } }, crowded: verdict, wanted: undefined, given };
  const { tenant, max, given: { spec } } = asked.value;
  const crowded: Verdict = { ...verdict, exported: { active: false, reason: 'TooMany', message: `objects of tenant ${tenant} have ${max} exports already, which is the most that an admin allows (metricAccess.exports.maxExports)` } };
  return { verdict: { ...verdict, exported: { active: true, tenant, name: spec.name } }, crowded, wanted: asked.value, given };
}

interface Under {
  readonly found: readonly { readonly ceiling: Ceiling; readonly selector: string }[];
  /** Why a ceiling is none. */
  readonly problem: string | undefined;
}

/** What each ceiling leaves of a pattern. */
function under(pattern: Rule, ceilings: readonly Ceiling[]): Under {
  let problem: string | undefined;
  const found = ceilings.flatMap((ceiling) => {
    if (!ceiling.rules.ok) {
      problem = `the terms of tenant ${ceiling.tenant} cannot be used: ${ceiling.rules.error}`;
      return [];
    }
    return ceiling.rules.value.flatMap((rule) => {
      const selector = selectorOfAll(pattern, rule);
      return selector === undefined ? [] : [{ ceiling, selector }];
    });
  });
  return { found, problem };
}

function tooMany(): Result<Rule, string> {
  return err(`an object has ${MAX_PATTERNS} patterns at most`);
}

function tooLong(): Result<Rule, string> {
  return err(`a pattern has ${MAX_PATTERN_CHARS} characters at most`);
}
