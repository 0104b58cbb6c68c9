import { readFile, stat } from 'node:fs/promises';
import { errnoOf } from '../lib/errno.js';
import { fileVersion } from '../lib/file-version.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { TextSource } from './draft.js';

/**
 * Reads the files of a configuration and remembers of each which version it was, so that the watcher can tell whether
 * something changed since (not since it began to watch).
 */

const MAX_FILE_BYTES = 16 * 2 ** 20;

/** Absolute path → version. */
export type FileVersions = ReadonlyMap<string, string>;

export class ConfigFiles implements TextSource {
  readonly #versions = new Map<string, string>();

  /** Every file that was asked for, also those that could not be read. */
  get versions(): FileVersions {
    return this.#versions;
  }

  secretFault(problem: string, folder: string): string {
    return `the file that it names ${problem} (a relative path starts at ${folder})`;
  }

  /** The text of a file; the error is what a person needs to know of it, without the path. */
  async read(file: string): Promise<Result<string, string>> {
    // The version first: a change between the two is then seen as one.
    this.#versions.set(file, await fileVersion(file));
    try {
      const { size } = await stat(file).then((stats) => (stats.isFile() ? stats : { size: undefined }));
      if (size === undefined) return err('is not a regular file');
      if (size > MAX_FILE_BYTES) return err(`is larger than ${MAX_FILE_BYTES / 2 ** 20} MiB`);
      return ok(await readFile(file, 'utf8'));
    } catch (error) {
      return err(readErrorText(errnoOf(error)));
    }
  }
}

function readErrorText(code: string | undefined): string {
  switch (code) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
      return 'may not be read by this user';
    default:
      return `cannot be read (${code ?? 'unknown error'})`;
  }
}
