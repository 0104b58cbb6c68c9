import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../support/project.js';

/**
 * The project's own files as the house rules see them.
 *
 * TypeScript 7 has no compiler API, so imports are read from the text. That is safe because the linter keeps the code to
 * plain import statements, and comments are taken out before.
 */

export interface Import {
  /** As written: `../lib/result.js`, `node:fs`, `pino`. */
  readonly specifier: string;
  /** The file that a relative specifier leads to, relative to the project; `undefined` for packages. */
  readonly file: string | undefined;
}

export interface SourceFile {
  /** Relative to the project: `src/hub/hub.ts`. */
  readonly path: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** All TypeScript of ours below the given folders of the project; generated code is not ours. */
export function sourcesBelow(...folders: readonly string[]): readonly SourceFile[] {
  return folders
    .filter((folder) => existsSync(path.join(projectDir, folder)))
    .flatMap((folder) => readdirSync(path.join(projectDir, folder), { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name)))
    .filter((file) => file.endsWith('.ts') && !file.startsWith('src/gen/'))
    .toSorted()
    .map(readSource);
}

export function isTest(file: string): boolean {
  return file.endsWith('.test.ts');
}

export function readProjectFile(file: string): string {
  return readFileSync(path.join(projectDir, file), 'utf8');
}

/** Every file that is in git, or would be. */
export function trackedFiles(): readonly string[] {
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: projectDir, encoding: 'utf8' });
  return output.split('\n').filter((file) => file !== '');
}

function readSource(file: string): SourceFile {
  const text = readProjectFile(file);
  const code = withoutComments(text);
  return { path: file, text, code, imports: importsOf(code).map((specifier) => ({ specifier, file: resolve(file, specifier) })) };
}

/** Strings, templates and regular expressions are matched first, so that a `//` in them starts no comment. */
const COMMENT_OR_LITERAL =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/|\/\/[^\n]*|\/\*[^]*?\*\//g;

export function withoutComments(text: string): string {
  return text.replaceAll(COMMENT_OR_LITERAL, (match) => (match.startsWith('//') || match.startsWith('/*') ? ' ' : match));
}

const IMPORT = /(?:^|[;\n}])\s*(?:import|export)\s+(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;

export function importsOf(code: string): readonly string[] {
  return [...code.matchAll(IMPORT)].map(([, statement, dynamic]) => statement ?? dynamic ?? '');
}

function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return path.join(path.dirname(from), specifier).replace(/\.js$/, '.ts');
}
