import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../config/env.js';

/** The folder that set-up installs Envoy into (scripts/lib/obtain.mjs): the version that this release is tested with. */
const CACHED = 'envoy-1.40.0/envoy';

/** The Envoy to run: the configured one (ENVOY_BIN, `envoy.path`), else that of the PATH, else that of set-up's cache. */
export function findEnvoy(configured: string | undefined, { path, cacheDir }: Pick<Environment, 'path' | 'cacheDir'>): string | undefined {
  const candidates = configured === undefined ? [...path.map((folder) => join(folder, 'envoy')), join(cacheDir, CACHED)] : [configured];
  return candidates.find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
