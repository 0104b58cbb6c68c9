import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { projectDir } from './project.js';

/**
 * The chart as Helm renders it, as plain objects.
 */

export const chartDir = path.join(projectDir, 'deploy/chart');

/** A Kubernetes object as YAML has it: what a test looks at, it looks up. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>>; readonly annotations?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}

export type Values = Readonly<Record<string, unknown>>;

const KUBE_VERSION = '1.33.0';
const run = promisify(execFile);

/** `helm template` with these files of values (relative to the chart), then these values. Rejects with what Helm says. */
export async function renderChart(helm: string, valueFiles: readonly string[], values: Values): Promise<readonly Manifest[]> {
  const files = valueFiles.flatMap((file) => ['-f', path.join(chartDir, file)]);
  const set = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  const { stdout } = await run(helm, ['template', 'release', chartDir, '-n', 'monitoring', '--kube-version', KUBE_VERSION, ...files, ...set], { timeout: 60_000 });
  return parseManifests(stdout);
}

/** All objects of a YAML stream. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { merge: false }).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`bad YAML: ${document.errors.map(({ message }) => message).join('; ')}`);
    const value: Manifest | null = document.toJS();
    return value === null ? [] : [value];
  });
}

/** What stands at a path of keys and indices, undefined where there is nothing. */
export function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined), value);
}

/** The list at a path; empty where there is none. */
export function listAt(value: unknown, ...keys: readonly (string | number)[]): readonly unknown[] {
  const found: unknown = at(value, ...keys);
  return Array.isArray(found) ? found : [];
}
