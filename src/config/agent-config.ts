import { issuedBy } from '../lib/certificate.js';
import type { AgentSettings, GatewayAddress, TlsCredentials } from '../model/agent-settings.js';
import { agentNameOf } from '../model/identity.js';
import { isName } from '../model/names.js';
import type { SitePush } from '../model/site-push.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import type { AgentFile } from './agent-file.js';
import { compileAllow } from './allow.js';
import { readCas, readPair } from './certificates.js';
import { compileDiscovery } from './discovery.js';
import type { Draft } from './draft.js';
import type { Environment } from './env.js';
import type { FileLogLevel } from './gateway-file.js';
import { loadFile } from './load.js';
import type { Loaded } from './load.js';
import { compileMonitors } from './monitors.js';
import { compileHttpAddress, compileKeepAlive } from './own-process.js';
import { compileProxy } from './proxy.js';
import type { ProxyFor } from './proxy.js';
import { compileServices } from './services.js';
import { compileSitePush } from './site-push.js';
import { compileTargets } from './targets.js';
import { parseHostPort, parseSize } from './units.js';
import type { HostPort } from './units.js';

/** The agent's file, compiled. */
export interface AgentConfig {
  /** For logs; undefined where neither the file nor the certificate says it. */
  readonly name: string | undefined;
  /** Targets and credentials take effect at once, with each reload; the others at the next start. */
  readonly settings: AgentSettings;
  /** The push door here; undefined = none. Takes effect at once. */
  readonly push: SitePush | undefined;
  readonly credentials: TlsCredentials;
  /** Absolute path of the file with certificate and key that the agent itself renews; undefined = somebody else does. */
  readonly renewFile: string | undefined;
  readonly process: AgentProcess;
}

/** Takes effect at the next start. */
export interface AgentProcess {
  readonly metrics: HostPort;
  readonly logLevel: FileLogLevel;
  readonly drainTimeoutMs: number;
  readonly keepAlive: KeepAliveOptions;
}

const MAX_DRAIN_MS = 600_000;

/** Reads the agent's file and every file that it names. */
export function loadAgentConfig(file: string, environment: Environment, nowMs: number = Date.now()): Promise<Loaded<AgentConfig>> {
  return loadFile<AgentFile, AgentConfig>(file, { schema: 'agent', compile: (draft, parsed) => compile(draft, parsed, environment) }, nowMs);
}

async function compile(draft: Draft, file: AgentFile, environment: Environment): Promise<AgentConfig | undefined> {
  const identity = await draft.part(['tls'], () => compileIdentity(draft, file));
  const proxyFor = await compileProxy(draft, file, environment);
  const gateways = await draft.list(['gateways'], () => file.gateways, (gateway, place) => compileGateway(draft, [...place, 'address'], gateway, proxyFor));
  const limits = draft.part(['limits'], () => ({ maxConcurrentScrapes: file.limits.maxConcurrentScrapes, maxBodyBytes: parseSize(file.limits.maxBodySize) }));
  const targets = await compileTargets(draft, file, limits?.maxBodyBytes);
  const services = await compileServices(draft, file);
  const discovery = await compileDiscovery(draft, file, limits?.maxBodyBytes);
  const monitors = await compileMonitors(draft, file, limits?.maxBodyBytes);
  const allow = await compileAllow(draft, file);
  const push = await compileSitePush(draft, file);
  const process = compileProcess(draft, file, environment);
  if (identity === undefined || limits === undefined || process === undefined) return undefined;
  const renewFile = draft.part(['tls'], () => compileRenewal(draft, file));
  return { ...identity, renewFile, push, settings: { gateways, targets, ...(services.length > 0 && { services }), ...(discovery.length > 0 && { discovery }), ...(monitors.length > 0 && { monitors }), ...(allow && { allow }), maxConcurrentScrapes: limits.maxConcurrentScrapes }, process };
}

async function compileIdentity(draft: Draft, { tls, agent }: AgentFile): Promise<Pick<AgentConfig, 'name' | 'credentials'> | undefined> {
  const pair = await readPair(draft, ['tls'], { ...tls, usage: 'client' });
  const ca = await readCas(draft, [{ file: tls.caFile, place: ['tls', 'caFile'] }]);
  if (pair === undefined) return undefined;
  const name = draft.part(['agent'], () => checkName(draft, agent.name, pair.info.sans.flatMap(({ type, value }) => (type === 'uri' ? (agentNameOf(value) ?? []) : []))));
  if (ca !== undefined && issuedBy(pair.chainPem, ca)) draft.warn(['tls', 'caFile'], 'signed the agent\'s own certificate; if that is not one CA for both on purpose, name the gateway\'s CA here');
  return ca === undefined ? undefined : { name, credentials: { certificate: pair.chainPem, key: pair.privateKeyPem, ca } };
}

function compileRenewal(draft: Draft, { tls }: AgentFile): string | undefined {
  if (!tls.renew) return undefined;
  const file = draft.resolve(tls.certFile);
  if (draft.resolve(tls.keyFile) !== file) draft.fault(['tls', 'renew'], 'needs certificate and key in one file (certFile = keyFile), so that they change as one');
  return file;
}

/** The gateway goes by the certificate: a name that differs from it would only mislead whoever reads the logs. */
function checkName(draft: Draft, name: string | undefined, certified: readonly string[]): string | undefined {
  if (name !== undefined && certified.length > 0 && !certified.includes(name)) {
    draft.fault(['agent', 'name'], `the certificate in tls.certFile is for the agent "${certified.join('", "')}"`);
  }
  return name ?? certified.find(isName);
}

function compileGateway(draft: Draft, place: readonly (string | number)[], { address, serverName, expect, lanes }: AgentFile['gateways'][number], proxyFor: ProxyFor): GatewayAddress | undefined {
  const parsed = parseHostPort(address);
  if (parsed !== undefined && parsed.port > 0) {
    const proxy = proxyFor(parsed);
    return { ...parsed, serverName: serverName ?? parsed.host, ...(lanes !== 'auto' && { lanes }), ...(expect !== undefined && { expect }), ...(proxy && { proxy }) };
  }
  draft.fault(place, 'must be HOST:PORT such as gateway.example:8443');
  return undefined;
}

function compileProcess(draft: Draft, file: AgentFile, environment: Environment): AgentProcess | undefined {
  const metrics = draft.part(['metrics'], () => compileHttpAddress(draft, ['metrics', 'address'], file.metrics.address));
  const logLevel = draft.part(['log'], () => environment.logLevel ?? file.log.level);
  const drainTimeoutMs = draft.part(['drainTimeout'], () => draft.durationMs(['drainTimeout'], file.drainTimeout, { minMs: 0, maxMs: MAX_DRAIN_MS }));
  const keepAlive = draft.part(['keepAlive'], () => compileKeepAlive(draft, 'keepAlive', { interval: ['interval', file.keepAlive.interval], timeout: ['timeout', file.keepAlive.timeout] }));
  return metrics && logLevel && drainTimeoutMs !== undefined && keepAlive ? { metrics, logLevel, drainTimeoutMs, keepAlive } : undefined;
}
