import { describe, expect, it } from '@jest/globals';
import { isTest, readProjectFile, sourcesBelow } from './sources.js';
import type { SourceFile } from './sources.js';

/**
 * Who may import whom (facts/style.md §4). Left may import right only; each may import itself.
 *
 * Features never import each other: what two of them share is a library (`behind`, `credentials`, `h2`, `kube`, `promql`, `tunnel`, `model`, `lib`), and what
 * must meet, meets in `main`.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'everything'>> = {
  main: 'everything',
  config: ['promql', 'tunnel', 'relabel', 'model', 'lib'],
  k8s: ['kube', 'promql', 'relabel', 'model', 'lib'],
  kube: ['model', 'lib'],
  pki: ['model', 'lib'],
  join: ['pki', 'model', 'lib'],
  xds: ['gen', 'model', 'lib'],
  authz: ['gen', 'h2', 'credentials', 'model', 'lib'],
  credentials: ['model', 'lib'],
  h2: ['lib'],
  promql: ['relabel', 'model', 'lib'],
  behind: ['tunnel', 'model', 'lib'],
  hub: ['h2', 'tunnel', 'model', 'lib'],
  agent: ['kube', 'h2', 'tunnel', 'relabel', 'model', 'lib'],
  tunnel: ['gen', 'model', 'lib'],
  query: ['gen', 'behind', 'promql', 'remoteread', 'remotewrite', 'model', 'lib'],
  export: ['behind', 'promql', 'remoteread', 'remotewrite', 'relabel', 'model', 'lib'],
  remoteread: ['promql', 'remotewrite', 'lib'],
  remotewrite: ['gen', 'lib'],
  push: ['gen', 'behind', 'credentials', 'remotewrite', 'model', 'lib'],
  discovery: ['model', 'lib'],
  status: ['model', 'lib'],
  relabel: ['model', 'lib'],
  model: ['lib'],
  lib: [],
};

/** `hub` for `src/hub/hub.ts`, `test` for `test/support/envoy.ts`. */
function folderOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'src' ? second : top;
}

/** A unit test may also use the tests' instruments, and the generated code that the module under test speaks. */
function mayImport(from: string, to: string): boolean {
  const folder = folderOf(from);
  const allowed = MAY_IMPORT[folder] ?? [];
  if (folderOf(to) === folder) return true;
  if (isTest(from) && ['test', 'gen'].includes(folderOf(to))) return true;
  return allowed === 'everything' ? to.startsWith('src/') : allowed.includes(folderOf(to));
}

const sources = sourcesBelow('src');

describe('imports', () => {
  it('the table knows every folder of src', () => {
    const folders = new Set(sources.map(({ path }) => folderOf(path)));
    expect([...folders].filter((folder) => MAY_IMPORT[folder] === undefined)).toEqual([]);
  });

  it('follow the table', () => {
    const forbidden = sources.flatMap(({ path, imports }) =>
      imports.flatMap(({ file }) => (file === undefined || mayImport(path, file) ? [] : [`${path} imports ${file}`])),
    );
    expect(forbidden).toEqual([]);
  });

  it('have no cycle, types included', () => {
    expect(findCycles(sourcesBelow('src', 'test', 'bench'))).toEqual([]);
  });

  it('of the product are runtime dependencies', () => {
    const { dependencies }: { dependencies: Readonly<Record<string, string>> } = JSON.parse(readProjectFile('package.json'));
    const missing = sources
      .filter(({ path }) => !isTest(path))
      .flatMap(({ path, imports }) => imports.map(({ specifier }) => ({ path, name: packageName(specifier) })))
      .filter(({ name }) => name !== undefined && !Object.hasOwn(dependencies, name))
      .map(({ path, name }) => `${path} imports ${name}`);
    expect(missing).toEqual([]);
  });
});

function sourceFile(path: string, ...to: readonly string[]): SourceFile {
  return { path, text: '', code: '', imports: to.map((each) => ({ specifier: each, file: each })) };
}

describe('the search for cycles', () => {
  it('finds each, and only cycles', () => {
    const files = [sourceFile('a', 'b', 'd'), sourceFile('b', 'c'), sourceFile('c', 'b', 'd'), sourceFile('d'), sourceFile('e', 'e')];
    expect(findCycles(files)).toEqual(['b → c → b', 'e → e']);
  });
});

/** `undefined` for relative imports and for Node's own modules. */
function packageName(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** One line for each back edge of a depth-first walk: none, if and only if there is no cycle. */
function findCycles(files: readonly SourceFile[]): readonly string[] {
  const byPath = new Map(files.map((each) => [each.path, each]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const { file } of byPath.get(path)?.imports ?? []) if (file !== undefined) visit(file, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return cycles;
}
