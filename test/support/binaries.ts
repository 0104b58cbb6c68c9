import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectDir } from './project.js';

/** Real servers that tests run; the names are those of scripts/lib/binaries.mjs, whose rule of finding them is used here too. */
export type BinaryName = 'envoy' | 'prometheus' | 'promtool' | 'nodeExporter' | 'pushgateway' | 'alertmanager' | 'h2spec' | OptionalBinaryName;

/** Building them takes minutes, so `npm test` does not: `node scripts/setup.mjs --for kubernetes` does. */
export type OptionalBinaryName = 'helm' | 'kubeApiserver' | 'etcd' | 'prometheusKubernetes' | 'redis';

interface BinariesModule {
  lookUp(name: BinaryName): Promise<string | undefined>;
}

/** Path of the executable, undefined if it is not on this machine. */
export async function optionalBinary(name: BinaryName): Promise<string | undefined> {
  const module: BinariesModule = await import(pathToFileURL(path.join(projectDir, 'scripts/lib/binaries.mjs')).href);
  return module.lookUp(name);
}

/** Path of the executable: environment variable, PATH, cache. Never fetches: `npm test` has done that. */
export async function binary(name: BinaryName): Promise<string> {
  const found = await optionalBinary(name);
  if (found === undefined) throw new Error(`no ${name} on this machine; run: node scripts/setup.mjs --for test`);
  return found;
}
