/**
 * npm packages: installed exactly as package-lock.json says, and only if they are not.
 *
 * npm itself records what it has put into node_modules, in node_modules/.package-lock.json, written last. Comparing the two
 * needs no stamp of ours and notices a `git pull`, an interrupted install and an `npm install` by hand alike.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, SetupError } from './run.mjs';

const INSTALL_TIMEOUT_MS = 10 * 60_000;

function lockedPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/** Whether node_modules holds what package-lock.json asks for. */
export function dependenciesInstalled(projectDir) {
  const recordPath = join(projectDir, 'node_modules/.package-lock.json');
  if (!existsSync(recordPath) || !existsSync(nodePath(projectDir))) return false;
  const wanted = lockedPackages(join(projectDir, 'package-lock.json'));
  const present = lockedPackages(recordPath);
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = present[path];
    // packages for other platforms are in the lock and rightly absent
    return found === undefined ? optional === true : found.version === version && found.integrity === integrity;
  });
}

/** Node 24, which comes as the devDependency `node`. */
export function nodePath(projectDir) {
  return join(projectDir, 'node_modules/.bin/node');
}

/**
 * `npm install`, not `npm ci`: both take versions and hashes from the lock, but `ci` refuses a lock that lacks a package for
 * another platform, and npm drops those from the lock wherever the registry in use does not carry them.
 */
export async function installDependencies(projectDir) {
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], { cwd: projectDir, timeoutMs: INSTALL_TIMEOUT_MS });
  if (!existsSync(nodePath(projectDir))) {
    throw new SetupError('npm left no node_modules/.bin/node: the package `node` needs its install script (is npm set to ignore-scripts?)');
  }
}
