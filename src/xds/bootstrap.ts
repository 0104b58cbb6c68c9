/**
 * Envoy's bootstrap from the commented template in envoy/bootstrap.yaml: only values are put in, so that what an operator
 * reads there is what runs.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';

export interface BootstrapOptions {
  /** Tells gateways apart in the control plane's status and logs. */
  readonly nodeId: string;
  /** Folder of `xds.sock` and `admin.sock`, as Envoy sees it. */
  readonly runtimeDir: string;
  /** All downstream connections. */
  readonly maxConnections: number;
  /** Of these, what scrapers alone may take. */
  readonly maxScrapeConnections: number;
}

/** From dist/src/xds to the package's root. */
const TEMPLATE = fileURLToPath(new URL('../../../envoy/bootstrap.yaml', import.meta.url));

/** The bootstrap as YAML, comments included. */
export function bootstrapYaml({ nodeId, runtimeDir, maxConnections, maxScrapeConnections }: BootstrapOptions): string {
  const document = parseDocument(readFileSync(TEMPLATE, 'utf8'));
  const set = (path: readonly (string | number)[], value: string | number): void => {
    if (!document.hasIn(path)) throw new Error(`envoy/bootstrap.yaml has no ${path.join('.')}`);
    document.setIn(path, value);
  };
  set(['node', 'id'], nodeId);
  set(['admin', 'address', 'pipe', 'path'], `${runtimeDir}/admin.sock`);
  set(
    ['static_resources', 'clusters', 0, 'load_assignment', 'endpoints', 0, 'lb_endpoints', 0, 'endpoint', 'address', 'pipe', 'path'],
    `${runtimeDir}/xds.sock`,
  );
  set(['overload_manager', 'resource_monitors', 0, 'typed_config', 'max_active_downstream_connections'], maxConnections);
  set(['layered_runtime', 'layers', 0, 'static_layer', 'envoy.resource_limits.listener.scrape.connection_limit'], maxScrapeConnections);
  return document.toString({ lineWidth: 0 });
}
