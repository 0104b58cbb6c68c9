/**
 * From a discovered label set to a target: defaults, relabelling, and then the labels that steer (`__address__`, `__scheme__`,
 * `__metrics_path__`, `__param_*`) are read and dropped, as in Prometheus. Pure.
 */
import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { DiscoveryJob } from '../../model/agent-settings.js';
import type { Target } from '../../model/target.js';
import type { Labels, Relabel } from '../../relabel/relabel.js';
import { validateTargets } from '../../tunnel/targets.js';
import { TARGET_NAME_LABEL } from './label-sets.js';
import { legalTargetName } from './names.js';

/** A target whose name is what it wants to be called; `names.ts` has the last word. */
export type Derivation = Result<Target, string> | 'dropped';

/** Nothing in it that a URL would take for something else. */
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;
/** Every rule looks at every label: more than this is no target, and not worth the look. */
const MAX_LABELS_CHARS = 64 * 1024;
const PARAM_PREFIX = '__param_';
/** The gateway sets them; a discovered one of this name is kept beside it, as Prometheus would (`exported_`). */
const RENAMED: ReadonlySet<string> = new Set(['agent', 'target']);

export type JobDefaults = Pick<DiscoveryJob, 'name' | 'scheme' | 'metricsPath' | 'params' | 'passesJob'>;

export function deriveTarget(discovered: Labels, job: JobDefaults, relabel: Relabel): Derivation {
  const { name, scheme, metricsPath, params } = job;
  let chars = 0;
  for (const [label, value] of discovered) chars += label.length + value.length;
  if (chars > MAX_LABELS_CHARS) return err(`has labels of more than ${MAX_LABELS_CHARS / 1024} KiB`);
  const defaults: readonly (readonly [string, string])[] = [
    ['job', name],
    ['__scheme__', scheme],
    ['__metrics_path__', metricsPath],
    ...Object.entries(params).map(([key, [value = '']]) => [`${PARAM_PREFIX}${key}`, value] as const),
  ];
  const labels = new Map([...defaults, ...[...discovered].filter(([, value]) => value !== '')]);
  // the order of names decides where two labels are mapped onto one; Prometheus leaves it to chance
  const kept = relabel(new Map([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1))));
  return kept === undefined ? 'dropped' : targetOf(kept, job);
}

function targetOf(labels: Labels, { params, passesJob = false }: JobDefaults): Result<Target, string> {
  const address = labels.get('__address__') ?? '';
  if (address === '') return err('has no __address__');
  const scheme = labels.get('__scheme__') ?? '';
  if (scheme !== 'http' && scheme !== 'https') return err('__scheme__ must be http or https');
  const url = ADDRESS.test(address) ? URL.parse(`${scheme}://${address}`) : null;
  if (url === null) return err('__address__ must be HOST:PORT');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port);
  const wanted = labels.get(TARGET_NAME_LABEL) ?? labels.get('instance') ?? address;
  const target: Target = { name: legalTargetName(wanted), scheme, host, port, path: pathOf(labels, url, params), labels: ownLabels(labels, passesJob) };
  const { accepted, faults } = validateTargets([target], { maxTargets: 1 });
  return accepted[0] === undefined ? err(faults.map(({ message }) => message).join('; ')) : ok(accepted[0]);
}

/** As Prometheus has it: a label stands for the first value of its parameter, and a parameter without a label is as the job has it. */
function pathOf(labels: Labels, url: URL, params: JobDefaults['params']): string {
  url.pathname = labels.get('__metrics_path__') ?? '';
  const values = new Map(Object.entries(params));
  for (const [label, value] of labels) {
    if (!label.startsWith(PARAM_PREFIX)) continue;
    const key = label.slice(PARAM_PREFIX.length);
    values.set(key, [value, ...(values.get(key) ?? []).slice(1)]);
  }
  for (const [key, all] of [...values].toSorted(([a], [b]) => (a < b ? -1 : 1))) for (const value of all) url.searchParams.append(key, value);
  return url.pathname + url.search;
}

/** The gateway has its own `instance`, and Prometheus its own `job` unless the target brings one. */
function ownLabels(labels: Labels, passesJob: boolean): Record<string, string> {
  const own = [...labels].filter(([label]) => !label.startsWith('__') && label !== 'instance' && (label !== 'job' || passesJob));
  return Object.fromEntries(own.map(([label, value]) => [RENAMED.has(label) ? `exported_${label}` : label, value]));
}
