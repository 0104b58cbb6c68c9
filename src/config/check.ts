import { formatFault } from '../lib/result.js';
import { loadAgentConfig } from './agent-config.js';
import { ConfigFiles } from './config-files.js';
import type { Environment } from './env.js';
import { loadGatewayConfig } from './gateway-config.js';
import type { Loaded } from './load.js';
import { parseYaml } from './yaml-source.js';
import type { SchemaName } from './schema.js';

/** What `scrapeway check` says of one file: lines for a person, with file, line and column. */
export interface Checked {
  readonly kind: SchemaName;
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** Checks a file of either kind, and every file that it names; nothing is started. */
export async function checkFile(file: string, environment: Environment): Promise<Checked> {
  const kind = await kindOf(file);
  const loaded: Loaded<unknown> = kind === 'agent' ? await loadAgentConfig(file, environment) : await loadGatewayConfig(file, environment);
  return {
    kind,
    faults: loaded.result.ok ? [] : loaded.result.error.map((fault) => formatFault(fault, file)),
    warnings: loaded.warnings.map((fault) => formatFault(fault, file)),
  };
}

/** Keys that stand at the top of one kind only. */
const AGENT_KEYS = ['agent', 'gateways', 'targets', 'keepAlive', 'drainTimeout', 'tls'];
const GATEWAY_KEYS = ['gateway', 'listeners', 'tenants', 'agents', 'envoy', 'runtimeDir'];

/** The kind that more of the file's keys belong to; a gateway's in doubt. */
async function kindOf(file: string): Promise<SchemaName> {
  const text = await new ConfigFiles().read(file);
  const source = text.ok ? parseYaml(text.value) : undefined;
  const value = source?.ok === true ? source.value.value : undefined;
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const count = (known: readonly string[]): number => keys.filter((key) => known.includes(key)).length;
  return count(AGENT_KEYS) > count(GATEWAY_KEYS) ? 'agent' : 'gateway';
}
