/**
 * Reads what an agent registers. Outside input of somebody who may be hostile: each target is checked on its own, the bad ones
 * are left out and named, and none of it can spoil the list that Prometheus gets (facts/prometheus-scrape.md §4: one label
 * that is not a string makes Prometheus refuse the whole document).
 */
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { labelFault, MAX_LABELS } from '../model/labels.js';
import { isTargetName, TARGET_NAME_RULE } from '../model/names.js';
import type { Target } from '../model/target.js';
import { MAX_FAULTS } from './messages.js';

const MAX_HOST_CHARS = 253;
const MAX_PATH_CHARS = 2048;
const HOST = /^[A-Za-z0-9_](?:[A-Za-z0-9._:-]*[A-Za-z0-9_.])?$|^::[0-9A-Fa-f:.]*$|^[0-9A-Fa-f:.]+::$/;
/** Visible ASCII but `#`: what may stand in a request line as it is. */
const PATH = /^\/[!"$-~]*$/;

export interface ValidTargets {
  readonly accepted: readonly Target[];
  /** At most `MAX_FAULTS`; the last one says how many more there were. */
  readonly faults: readonly Fault[];
}

/** Never throws, whatever `input` is. Of two targets with one name the first is taken. */
export function validateTargets(input: unknown, { maxTargets }: { readonly maxTargets: number }): ValidTargets {
  if (!Array.isArray(input)) return { accepted: [], faults: [{ place: 'targets', message: 'must be a list' }] };
  const accepted = new Map<string, Target>();
  const faults: Fault[] = [];
  let faultCount = 0;
  const complain = (more: readonly Fault[]): void => {
    faultCount += more.length;
    faults.push(...more.slice(0, MAX_FAULTS - faults.length));
  };
  for (const [index, each] of input.slice(0, maxTargets).entries()) {
    const target = readTarget(each, `targets[${index}]`);
    if (!target.ok) complain(target.error);
    else if (accepted.has(target.value.name)) complain([{ place: `targets[${index}]`, message: `a target "${target.value.name}" comes earlier in the list; the first one counts` }]);
    else accepted.set(target.value.name, target.value);
  }
  if (input.length > maxTargets) complain([{ place: 'targets', message: `${input.length} targets, but this agent may have ${maxTargets}; the first ${maxTargets} count` }]);
  if (faultCount > faults.length) faults[MAX_FAULTS - 1] = { place: 'targets', message: `and ${faultCount - MAX_FAULTS + 1} more faults` };
  return { accepted: [...accepted.values()], faults };
}

function readTarget(input: unknown, place: string): Result<Target> {
  if (typeof input !== 'object' || input === null) return err([{ place, message: 'must be an object' }]);
  const { name, scheme, host, port, path, labels }: Record<string, unknown> = { ...input };
  if (typeof name !== 'string' || !isTargetName(name)) return err([{ place, message: `name ${TARGET_NAME_RULE}` }]);
  const at = `target "${name}"`;
  const faults: Fault[] = [];
  const check = (holds: boolean, message: string): void => {
    if (!holds) faults.push({ place: at, message });
  };
  check(scheme === 'http' || scheme === 'https', 'scheme must be http or https');
  check(typeof host === 'string' && host.length <= MAX_HOST_CHARS && HOST.test(host), 'host must be a host name or an address');
  check(typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535, 'port must be 1 to 65535');
  check(typeof path === 'string' && path.length <= MAX_PATH_CHARS && PATH.test(path), `path must start with "/", have no space, control character or "#", and at most ${MAX_PATH_CHARS} characters`);
  const readLabelsResult = readLabels(labels, at);
  if (!readLabelsResult.ok) return err([...faults, ...readLabelsResult.error]);
  if (faults.length > 0 || (scheme !== 'http' && scheme !== 'https') || typeof host !== 'string' || typeof port !== 'number' || typeof path !== 'string') return err(faults);
  return ok({ name, scheme, host, port, path, labels: readLabelsResult.value });
}

function readLabels(input: unknown, at: string): Result<Readonly<Record<string, string>>> {
  if (input === undefined) return ok({});
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return err([{ place: at, message: 'labels must be an object' }]);
  const entries = Object.entries(input);
  if (entries.length > MAX_LABELS) return err([{ place: at, message: `has ${entries.length} labels; at most ${MAX_LABELS}` }]);
  const faults = entries.flatMap(([name, value]: [string, unknown]) => {
    const fault = labelFault(name, value);
    // the name of a bad label is the agent's own text: cut it
    return fault === undefined ? [] : [{ place: at, message: `label "${name.slice(0, 64)}" ${fault}` }];
  });
  return faults.length > 0 ? err(faults) : ok(Object.fromEntries(entries.map(([name, value]) => [name, String(value)])));
}
