/**
 * What a Pushgateway says of its groups: `push_time_seconds` carries exactly the labels of a group's key, and when it was pushed last.
 *
 * Only a group with the tenant label is ours to judge. It says `instance=""` of a group without `instance`, so such a group may have
 * either of two keys.
 */
export interface Group {
  readonly tenant: string;
  readonly pushedMs: number;
  /** One of these it is. */
  readonly keys: readonly ReadonlyMap<string, string>[];
}

/** How long groups stay that nobody pushes; undefined = for ever. */
export interface GroupTtl {
  readonly ms: number | undefined;
  readonly byTenant: ReadonlyMap<string, number>;
}

const SERIES = /^push_time_seconds\{(.*)\} ([0-9.e+]+)$/;
/** Names in quotes are those that this door lets nobody push. */
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(,|$)/y;

/** Undefined: no such line, or no group of a tenant. */
export function readGroup(line: string, tenantLabel: string): Group | undefined {
  const [, labels, seconds] = SERIES.exec(line) ?? [];
  const key = labels === undefined ? undefined : readLabels(labels);
  const tenant = key?.get(tenantLabel) ?? '';
  const job = key?.get('job') ?? '';
  if (key === undefined || tenant === '' || job === '') return undefined;
  const ordered = new Map([['job', job], ...key]);
  const keys = key.get('instance') === '' ? [without(ordered, 'instance'), ordered] : [ordered];
  return { tenant, pushedMs: Number(seconds) * 1000, keys };
}

export function ttlOf(tenant: string, { ms, byTenant }: GroupTtl): number | undefined {
  return byTenant.get(tenant) ?? ms;
}

export function isExpired({ tenant, pushedMs }: Group, ttl: GroupTtl, nowMs: number): boolean {
  const ms = ttlOf(tenant, ttl);
  return ms !== undefined && nowMs - pushedMs > ms;
}

function readLabels(text: string): ReadonlyMap<string, string> | undefined {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined) return undefined;
    labels.set(name, value.replaceAll(/\\(.)/g, (_match, escaped: string) => (escaped === 'n' ? '\n' : escaped)));
  }
  return labels;
}

function without(key: ReadonlyMap<string, string>, name: string): ReadonlyMap<string, string> {
  return new Map([...key].filter(([each]) => each !== name));
}
