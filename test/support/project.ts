import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root; this file runs as dist/test/support/project.js. */
export const projectDir = path.resolve(fileURLToPath(new URL('../../../', import.meta.url)));

/** The Node that runs the tests, for child processes. */
export const nodeBinary = process.execPath;
