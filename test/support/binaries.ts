import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectDir } from './project.js';

/** Real servers that tests run; the names are those of scripts/lib/binaries.mjs, whose rule of finding them is used here too. */
export type BinaryName = 'envoy' | 'prometheus' | 'promtool' | 'nodeExporter' | 'pushgateway' | 'h2spec';

interface BinariesModule {
  lookUp(name: BinaryName): Promise<string | undefined>;
}

/** Path of the executable: environment variable, PATH, cache. Never fetches: `npm test` has done that. */
export async function binary(name: BinaryName): Promise<string> {
  const module: BinariesModule = await import(pathToFileURL(path.join(projectDir, 'scripts/lib/binaries.mjs')).href);
  const found = await module.lookUp(name);
  if (found === undefined) throw new Error(`no ${name} on this machine; run: node scripts/setup.mjs --for test`);
  return found;
}
