/**
 * TypeScript → dist, and nothing in dist that has no source: a test that was removed must not run on.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { run } from './run.mjs';

const SOURCE_FOLDERS = ['src', 'test', 'bench'];
const COMPILE_TIMEOUT_MS = 5 * 60_000;
const SHOWN_ERROR_LINES = 200;

/** Files below `dir`, as paths relative to the project. */
function filesBelow(projectDir, dir) {
  const root = join(projectDir, dir);
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(projectDir, join(entry.parentPath ?? entry.path, entry.name)));
}

function sources(projectDir) {
  return SOURCE_FOLDERS.flatMap((dir) => filesBelow(projectDir, dir)).filter((file) => /\.(ts|mts|json)$/.test(file));
}

const outputOf = (source) => join('dist', source.replace(/\.(m?)ts$/, '.$1js'));
const isDeclaration = (source) => /\.d\.m?ts$/.test(source);
const stampPath = (projectDir) => join(projectDir, 'build/compiled-inputs');

/** Changes whenever a compile could come to another result: names, sizes and times of the sources, compiler and settings. */
function fingerprint(projectDir) {
  const hash = createHash('sha256');
  for (const file of ['tsconfig.json', 'package-lock.json']) hash.update(readFileSync(join(projectDir, file)));
  for (const file of sources(projectDir).sort()) {
    const { size, mtimeMs } = statSync(join(projectDir, file));
    hash.update(`${file}\0${size}\0${mtimeMs}\0`);
  }
  return hash.digest('hex');
}

/** JSON files are copied only if imported, so their absence means nothing. */
function someOutputMissing(projectDir) {
  return sources(projectDir).some(
    (file) => !file.endsWith('.json') && !isDeclaration(file) && !existsSync(join(projectDir, outputOf(file))),
  );
}

function removeStaleOutputs(projectDir) {
  const expected = new Set(sources(projectDir).map(outputOf));
  for (const file of filesBelow(projectDir, 'dist')) {
    if (!expected.has(file.replace(/\.map$/, ''))) rmSync(join(projectDir, file));
  }
}

/** Whether dist is what a compile would make it. */
export function buildIsCurrent(projectDir) {
  const stamp = stampPath(projectDir);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(projectDir) && !someOutputMissing(projectDir);
}

/** Compiles; rejects with the compiler's errors. */
export async function build(projectDir) {
  const before = fingerprint(projectDir);
  const stamp = stampPath(projectDir);
  mkdirSync(dirname(stamp), { recursive: true });
  rmSync(stamp, { force: true });
  removeStaleOutputs(projectDir);
  // The incremental compiler does not look whether what it once wrote is still there.
  if (someOutputMissing(projectDir)) rmSync(join(projectDir, 'build/tsbuildinfo'), { force: true });
  await run(join(projectDir, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], {
    cwd: projectDir,
    timeoutMs: COMPILE_TIMEOUT_MS,
    shownLines: SHOWN_ERROR_LINES,
  });
  writeFileSync(stamp, before);
}
