import { availableParallelism, hostname } from 'node:os';
import { isIP } from 'node:net';
import path from 'node:path';
import type { DesiredState, GatewayLimits, GatewaySpec } from '../model/desired-state.js';
import { isGatewayId, PROXY_SUFFIX } from '../model/names.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import { compileBackendGroups, compileBackends } from './backends.js';
import { compilePushTargets } from './push-targets.js';
import { checkAddresses, compileAgentsDoor, compileScrapeDoor } from './doors.js';
import type { Draft } from './draft.js';
import type { Environment } from './env.js';
import type { EnvoyLogLevel, FileLogLevel, GatewayFile } from './gateway-file.js';
import { compileExportDestinations } from './export-destinations.js';
import { compileIssuers } from './issuers.js';
import { compileJoin } from './join.js';
import type { JoinConfig } from './join.js';
import { compileServiceAccounts } from './service-accounts.js';
import { checkKubernetes, compileKubernetes } from './kubernetes.js';
import type { KubernetesSettings } from './kubernetes.js';
import { compileTokenReview } from './kubernetes-access.js';
import { loadFile } from './load.js';
import type { Loaded } from './load.js';
import { compileQueries } from './queries.js';
import { compileHttpAddress, compileKeepAlive } from './own-process.js';
import type { QuerySettings } from './queries.js';
import { compileRevoked } from './revoked.js';
import { compileSites } from './gateway-sites.js';
import { compileFrontProxies, compileTemplates } from './templates.js';
import { compileAgents, compileTenants } from './tenants.js';
import { isHost } from './units.js';
import type { HostPort } from './units.js';

/** The gateway's file, compiled. */
export interface GatewayConfig {
  /** Takes effect at once, with each reload. */
  readonly state: DesiredState;
  /** With each reload too. Not in the state: the CA's key stays with the thread that signs. */
  readonly join: JoinConfig | undefined;
  /** Takes effect at the next start. */
  readonly process: GatewayProcess;
}

export interface GatewayProcess {
  /** Absolute. */
  readonly runtimeDir: string;
  readonly dataThreads: number;
  /** From SIGTERM to the first thing that a client can notice, ms. */
  readonly drainDelayMs: number;
  readonly envoy: {
    /** Undefined: looked for on the PATH and in the cache. */
    readonly path: string | undefined;
    /** Undefined: one worker for each processor. */
    readonly concurrency: number | undefined;
    readonly logLevel: EnvoyLogLevel;
    readonly extraArgs: readonly string[];
  };
  readonly metrics: HostPort;
  readonly logLevel: FileLogLevel;
  readonly queries: QuerySettings;
  /** Of spools and positions; absolute. */
  readonly exportFolder: string;
  readonly discovery: { readonly settleMs: number; readonly retentionMs: number };
  readonly tunnel: { readonly keepAlive: KeepAliveOptions; readonly reconnectGraceMs: number; readonly maxLanes: number };
  /** Undefined = no cluster. */
  readonly kubernetes: KubernetesSettings | undefined;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `sun_path` has 108 bytes with its zero (unix(7)); the longest name that we put behind the folder is `/tunnel-63.sock`. */
const MAX_RUNTIME_DIR_BYTES = 107 - '/tunnel-63.sock'.length;

/** Reads the gateway's file and every file that it names. */
export function loadGatewayConfig(file: string, environment: Environment, nowMs: number = Date.now()): Promise<Loaded<GatewayConfig>> {
  return loadFile<GatewayFile, GatewayConfig>(file, { schema: 'gateway', compile: (draft, parsed) => compile(draft, parsed, environment) }, nowMs);
}

async function compile(draft: Draft, file: GatewayFile, environment: Environment): Promise<GatewayConfig | undefined> {
  const gateway = await compileGateway(draft, file);
  const { tenants, templates } = await compileTemplates(draft, file, compileServiceAccounts(draft, file, await compileTenants(draft, file)));
  const agents = await compileAgents(draft, file);
  const sites = await compileSites(draft, file);
  const backends = await compileBackends(draft, file);
  const backendGroups = await compileBackendGroups(draft, file);
  const pushTargets = await compilePushTargets(draft, file);
  const exportDestinations = await compileExportDestinations(draft, file);
  const frontProxies = await compileFrontProxies(draft, file, tenants);
  const process = compileProcess(draft, file, environment);
  const queries = await draft.within(['queries'], () => compileQueries(draft, file.queries));
  const kubernetes = await draft.part(['kubernetes'], () => compileKubernetes(draft, file.kubernetes, gateway?.tokenReview?.access));
  checkKubernetes(draft, file);
  const join = await draft.within(['join'], () => compileJoin(draft, file, gateway));
  const joined = join === undefined ? gateway : gateway && { ...gateway, joins: true };
  return joined && process && queries && { join, state: { gateway: joined, tenants, agents, sites, templates, backends, backendGroups, pushTargets, exportDestinations, frontProxies }, process: { ...process, kubernetes, queries } };
}

// ---- what takes effect at once

async function compileGateway(draft: Draft, file: GatewayFile): Promise<GatewaySpec | undefined> {
  const names = draft.part(['gateway', 'names'], () => compileNames(draft, file.gateway.names));
  const id = draft.part(['gateway', 'id'], () => compileId(draft, file.gateway.id));
  const limits = draft.part(['limits'], () => compileLimits(draft, file.limits));
  const scrape = await draft.within(['listeners', 'scrape'], () => compileScrapeDoor(draft, file, names ?? []));
  const agents = await draft.within(['listeners', 'agents'], () => compileAgentsDoor(draft, file));
  const accessLogPath = draft.part(['accessLog'], () => file.accessLog.path);
  const revoked = await draft.within(['revoked'], () => compileRevoked(draft, file.revoked));
  const issuers = await compileIssuers(draft, file);
  const tokenReview = await draft.part(['kubernetes'], () => compileTokenReview(draft, file.kubernetes));
  draft.part(['listeners'], () => checkAddresses(draft, file));
  if (names === undefined || id === undefined || limits === undefined || scrape === undefined || agents === undefined || accessLogPath === undefined || revoked === undefined) return undefined;
  const { peers } = file.gateway;
  return { id, ...(peers && { peers: peers.filter((peer) => peer !== id) }), names, scrape, agents, limits, accessLogPath, revoked, issuers, tokenReview };
}

function compileNames(draft: Draft, names: readonly string[]): readonly string[] {
  for (const [index, name] of names.entries()) {
    const place = ['gateway', 'names', index];
    if (name.toLowerCase().endsWith(PROXY_SUFFIX)) draft.fault(place, `ends in "${PROXY_SUFFIX}", which is for targets`);
    else if (isIP(name) === 0 && !isHost(name)) draft.fault(place, 'must be a host name or an IP address, without port and without brackets');
  }
  // Host names have no case: two that differ in nothing else are one.
  return [...new Set(names.map((name) => name.toLowerCase()))];
}

function compileId(draft: Draft, id: string = hostname()): string {
  if (!isGatewayId(id)) draft.fault(['gateway'], 'the host name of this machine cannot be the gateway\'s id; give it one in gateway.id');
  return id;
}

function compileLimits(draft: Draft, file: GatewayFile['limits']): GatewayLimits | undefined {
  const { maxConnections, maxScrapeConnections } = file;
  if (maxScrapeConnections >= maxConnections) draft.fault(['limits', 'maxScrapeConnections'], 'must be less than maxConnections, so that agents always keep the rest');
  const maxScrapeTimeoutMs = draft.durationMs(['limits', 'maxScrapeTimeout'], file.maxScrapeTimeout, { minMs: SECOND_MS, maxMs: HOUR_MS });
  const defaultScrapeTimeoutMs = draft.durationMs(['limits', 'defaultScrapeTimeout'], file.defaultScrapeTimeout, { minMs: SECOND_MS, maxMs: maxScrapeTimeoutMs ?? HOUR_MS });
  const deadlineMarginMs = draft.durationMs(['limits', 'deadlineMargin'], file.deadlineMargin, { minMs: 0, maxMs: 10 * SECOND_MS });
  if (maxScrapeTimeoutMs === undefined || defaultScrapeTimeoutMs === undefined || deadlineMarginMs === undefined) return undefined;
  return { maxConnections, maxScrapeConnections, maxScrapeTimeoutMs, defaultScrapeTimeoutMs, deadlineMarginMs };
}

// ---- what takes effect at the next start

function compileProcess(draft: Draft, file: GatewayFile, environment: Environment): Omit<GatewayProcess, 'kubernetes' | 'queries'> | undefined {
  const runtimeDir = draft.part(['runtimeDir'], () => compileRuntimeDir(draft, environment.runtimeDir ?? draft.resolve(file.runtimeDir)));
  const dataThreads = draft.part(['dataThreads'], () => (file.dataThreads === 'auto' ? Math.max(1, Math.floor(availableParallelism() / 4)) : file.dataThreads));
  const drainDelayMs = draft.part(['drainDelay'], () => draft.durationMs(['drainDelay'], file.drainDelay, { minMs: 0, maxMs: 5 * MINUTE_MS }));
  const envoy = draft.part(['envoy'], () => ({
    path: environment.envoyPath ?? (file.envoy.path === undefined ? undefined : draft.resolve(file.envoy.path)),
    concurrency: file.envoy.concurrency,
    logLevel: file.envoy.logLevel,
    extraArgs: file.envoy.extraArgs,
  }));
  const metrics = draft.part(['metrics'], () => compileHttpAddress(draft, ['metrics', 'address'], file.metrics.address));
  const logLevel = draft.part(['log'], () => environment.logLevel ?? file.log.level);
  const exportFolder = draft.part(['exports'], () => draft.resolve(file.exports.folder));
  const discovery = draft.part(['discovery'], () => compileDiscovery(draft, file.discovery));
  const tunnel = draft.part(['tunnel'], () => compileTunnel(draft, file.tunnel));
  if (runtimeDir === undefined || dataThreads === undefined || envoy === undefined || metrics === undefined || logLevel === undefined || discovery === undefined || tunnel === undefined || drainDelayMs === undefined || exportFolder === undefined) return undefined;
  return { runtimeDir, dataThreads, drainDelayMs, envoy, metrics, logLevel, discovery, tunnel, exportFolder };
}

function compileDiscovery(draft: Draft, { settle, retention }: GatewayFile['discovery']): GatewayProcess['discovery'] | undefined {
  const settleMs = draft.durationMs(['discovery', 'settle'], settle, { minMs: 0, maxMs: 10 * MINUTE_MS });
  const retentionMs = draft.durationMs(['discovery', 'retention'], retention, { minMs: 0, maxMs: 30 * DAY_MS });
  return settleMs === undefined || retentionMs === undefined ? undefined : { settleMs, retentionMs };
}

function compileTunnel(draft: Draft, { keepAliveInterval, keepAliveTimeout, reconnectGrace, maxLanes }: GatewayFile['tunnel']): GatewayProcess['tunnel'] | undefined {
  const keepAlive = compileKeepAlive(draft, 'tunnel', { interval: ['keepAliveInterval', keepAliveInterval], timeout: ['keepAliveTimeout', keepAliveTimeout] });
  const reconnectGraceMs = draft.durationMs(['tunnel', 'reconnectGrace'], reconnectGrace, { minMs: 0, maxMs: 5 * MINUTE_MS });
  return keepAlive === undefined || reconnectGraceMs === undefined ? undefined : { keepAlive, reconnectGraceMs, maxLanes };
}

function compileRuntimeDir(draft: Draft, runtimeDir: string): string {
  const resolved = path.resolve(runtimeDir);
  const bytes = Buffer.byteLength(resolved);
  if (bytes > MAX_RUNTIME_DIR_BYTES) draft.fault(['runtimeDir'], `its absolute path has ${bytes} bytes; sockets in it need it to have at most ${MAX_RUNTIME_DIR_BYTES}`);
  return resolved;
}
