/**
 * What a watched file holds, as label sets: Prometheus's file_sd (groups of `targets` with `labels`) and our own form (entries with
 * `name` and `url`), mixed as one likes. A file is taken whole or not at all, as Prometheus does it: half a list would
 * silently delete the other half's targets.
 */
import { parse } from 'yaml';
import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { Labels } from '../../relabel/relabel.js';

/** Our own steering label: the target's name, instead of one made from its instance (ADR 30). */
export const TARGET_NAME_LABEL = '__scrapeway_target__';

const MAX_ALIASES = 100;
const MAX_FAULTS = 5;

/** The faults are for a person, at most five; none quotes a value. */
export function readLabelSets(text: string, { format, maxTargets }: { readonly format: 'json' | 'yaml'; readonly maxTargets: number }): Result<readonly Labels[], readonly string[]> {
  let value: unknown;
  try {
    // in YAML a label may be written as a number, and is its text, as in Prometheus; a silent parser would take the half of a file for the whole
    value = format === 'json' ? JSON.parse(text) : parse(text, { schema: 'failsafe', maxAliasCount: MAX_ALIASES, logLevel: 'error' });
  } catch {
    return err([`is not ${format === 'json' ? 'JSON' : 'YAML'}`]);
  }
  if (isEmpty(value)) return ok([]);
  if (!Array.isArray(value)) return err(['must be a list']);
  const sets: Labels[] = [];
  const faults: string[] = [];
  for (const [index, entry] of value.entries()) {
    const read = readEntry(entry, `[${index}]`);
    if (!read.ok) faults.push(read.error);
    else if (sets.length + read.value.length > maxTargets) return err([`has more than ${maxTargets} targets`]);
    else for (const set of read.value) sets.push(set);
    if (faults.length === MAX_FAULTS) break;
  }
  return faults.length > 0 ? err(faults) : ok(sets);
}

/** `labels:` with nothing behind it: null, or the empty text of YAML without types. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function readEntry(entry: unknown, place: string): Result<readonly Labels[], string> {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return err(`${place}: must be a map`);
  const { targets, labels, name, url, ...others }: Record<string, unknown> = { ...entry };
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return err(`${place}: unknown key; known are \`targets\` and \`labels\`, or \`name\`, \`url\` and \`labels\``);
  const common = readLabels(labels, `${place}.labels`);
  if (!common.ok) return common;
  if (url === undefined && name === undefined) return readGroup(targets, common.value, place);
  return targets === undefined ? readOwn(name, url, common.value, place) : err(`${place}: \`targets\` stands beside \`name\` or \`url\`; an entry has one form`);
}

function readLabels(labels: unknown, place: string): Result<readonly (readonly [string, string])[], string> {
  if (isEmpty(labels)) return ok([]);
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return err(`${place}: must be a map`);
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(labels)) {
    if (typeof value !== 'string' || name === '') return err(`${place}: names and values must be text; quote numbers`);
    pairs.push([name, value]);
  }
  return ok(pairs);
}

function readGroup(targets: unknown, labels: readonly (readonly [string, string])[], place: string): Result<readonly Labels[], string> {
  if (isEmpty(targets)) return ok([]);
  if (!Array.isArray(targets) || !targets.every((each) => typeof each === 'string')) return err(`${place}.targets: must be a list of texts such as "host:9100"`);
  return ok(targets.map((address) => new Map([...labels, ['__address__', address]])));
}

function readOwn(name: unknown, url: unknown, labels: readonly (readonly [string, string])[], place: string): Result<readonly Labels[], string> {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  if (typeof name !== 'string') return err(`${place}.name: must be text`);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) return err(`${place}.url: must be a URL such as http://127.0.0.1:9100/metrics`);
  if (parsed.username !== '' || parsed.password !== '') return err(`${place}.url: must hold no credentials`);
  const params = [...parsed.searchParams].map(([key, value]): [string, string] => [`__param_${key}`, value]);
  return ok([
    new Map([...labels, ...params, ['__scheme__', parsed.protocol.slice(0, -1)], ['__address__', parsed.host], ['__metrics_path__', parsed.pathname], [TARGET_NAME_LABEL, name]]),
  ]);
}
