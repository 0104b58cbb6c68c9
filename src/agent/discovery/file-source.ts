/**
 * Watched files. The one idea is the configuration's (src/config/reloader.ts): look at each file's version once a second, and read a
 * file that has changed when it has been still for one look.
 *
 * A file that cannot be read or understood keeps its last good targets. One that matched a `*` and is gone takes its targets with
 * it, that is how such folders are used; one that is named in full and is gone has failed.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '../../lib/clock.js';
import { errnoOf } from '../../lib/errno.js';
import { fileVersion } from '../../lib/file-version.js';
import { err } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import type { Labels } from '../../relabel/relabel.js';
import { readLabelSets } from './label-sets.js';
import type { Source, SourceEvents } from './source.js';

export interface FileSourceOptions extends SourceEvents {
  /** Absolute; `*` in the last part only. */
  readonly files: readonly string[];
  readonly maxTargets: number;
  readonly clock: Clock;
  /** Default: 1,000. */
  readonly intervalMs?: number;
}

const MAX_JSON_BYTES = 16 * 2 ** 20;
/** Reading YAML takes a hundred times as long, and all scrapes wait for it. */
const MAX_YAML_BYTES = 2 ** 20;

interface KnownFile {
  readonly version: string;
  /** The last good list. */
  readonly sets: readonly Labels[];
  readonly faults: readonly string[];
}

/** Looks at once. */
export function startFileSource({ files: patterns, maxTargets, clock, intervalMs = 1000, onTargets, onLook }: FileSourceOptions): Source {
  let known = new Map<string, KnownFile>();
  let seen = new Map<string, string>();
  let stopped = false;
  let cancel: () => void = () => undefined;
  let lastFaults: string | undefined;

  async function look(isFirst: boolean): Promise<void> {
    const { files, faults: folderFaults } = await matchingFiles(patterns, [...known.keys()]);
    const next = new Map<string, KnownFile>();
    const versions = new Map<string, string>();
    for (const file of files) {
      const before = known.get(file);
      const version = await fileVersion(file);
      versions.set(file, version);
      const isStill = isFirst || seen.get(file) === version;
      if (before !== undefined && (before.version === version || !isStill)) next.set(file, before);
      else if (isStill) next.set(file, await readTargetFile(file, version, before?.sets ?? [], maxTargets));
    }
    const changed = isFirst || next.size !== known.size || [...next].some(([file, { sets }]) => known.get(file)?.sets !== sets);
    known = next;
    seen = versions;
    if (stopped) return;
    const all = [...next.values()].flatMap(({ sets }) => sets);
    const faults = [...folderFaults, ...[...next].flatMap(([file, { faults: own }]) => own.map((fault) => `${file} ${fault}`))];
    const tooMany = all.length > maxTargets ? [`the files have ${all.length} targets together, more than maxTargets (${maxTargets})`] : [];
    if (changed && tooMany.length === 0) onTargets(all);
    const key = JSON.stringify([faults, tooMany]);
    if (changed || key !== lastFaults) onLook([...faults, ...tooMany]);
    lastFaults = key;
  }

  const lookAndWait = (isFirst: boolean): void => {
    void look(isFirst).finally(() => {
      if (!stopped) cancel = clock.after(intervalMs, () => lookAndWait(false));
    });
  };
  lookAndWait(true);
  return {
    stop: () => {
      stopped = true;
      cancel();
    },
  };
}

/** Sorted, each once. A folder that cannot be listed keeps the files that were known in it. */
async function matchingFiles(patterns: readonly string[], known: readonly string[]): Promise<{ readonly files: readonly string[]; readonly faults: readonly string[] }> {
  const files = new Set<string>();
  const faults: string[] = [];
  for (const pattern of patterns) {
    const folder = path.dirname(pattern);
    const glob = path.basename(pattern);
    if (!glob.includes('*')) {
      files.add(pattern);
      continue;
    }
    const parts = glob.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    const expression = new RegExp(`^${parts.join('.*')}$`);
    try {
      for (const name of await readdir(folder)) if (expression.test(name) && !name.startsWith('.')) files.add(path.join(folder, name));
    } catch (error) {
      faults.push(`${folder} cannot be listed (${errnoOf(error) ?? 'unknown error'})`);
      for (const file of known) if (path.dirname(file) === folder && expression.test(path.basename(file))) files.add(file);
    }
  }
  return { files: [...files].toSorted(), faults };
}

async function readTargetFile(file: string, version: string, last: readonly Labels[], maxTargets: number): Promise<KnownFile> {
  const sets = await readSets(file, maxTargets);
  if (!sets.ok) return { version, sets: last, faults: sets.error };
  return { version, sets: sets.value.map((labels) => new Map([...labels, ['__meta_filepath', file]])), faults: [] };
}

async function readSets(file: string, maxTargets: number): Promise<Result<readonly Labels[], readonly string[]>> {
  const format = path.extname(file).toLowerCase() === '.json' ? 'json' : 'yaml';
  const maxBytes = format === 'json' ? MAX_JSON_BYTES : MAX_YAML_BYTES;
  try {
    const stats = await stat(file);
    if (!stats.isFile()) return err(['is not a regular file']);
    if (stats.size > maxBytes) return err([`is larger than ${maxBytes / 2 ** 20} MiB${format === 'yaml' ? '; as JSON it may have 16 MiB' : ''}`]);
    return readLabelSets(await readFile(file, 'utf8'), { format, maxTargets });
  } catch (error) {
    const code = errnoOf(error);
    return err([code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? 'unknown error'})`]);
  }
}
