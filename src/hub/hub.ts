import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Registry } from 'prom-client';
import { ErrorCode, errorName, SocketIo } from '../h2/index.js';
import type { Close, ConnectionOptions } from '../h2/index.js';
import { systemClock } from '../lib/clock.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState, Site } from '../model/desired-state.js';
import type { Reason } from '../model/reasons.js';
import { sitesByMember } from '../model/sites.js';
import { normalSerial } from '../model/standing.js';
import type { Registration } from '../model/target.js';
import { gatewayIdLines, MAX_LANES, upgradeAnswer } from '../tunnel/handshake.js';
import type { GatewayIds, Upgrade } from '../tunnel/handshake.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import { CONNECT_IDLE_MS } from '../tunnel/streams.js';
import { refusalOf } from './answers.js';
import { CertificateChanges } from './certificate-changes.js';
import { Deadlines } from './deadlines.js';
import { ENVOY_CONNECTION, EnvoySide } from './envoy-side.js';
import type { EnvoySideEvents } from './envoy-side.js';
import { receiveHandshake } from './handshake.js';
import type { ScrapeRequest } from './headers.js';
import { Latencies } from './latencies.js';
import { HubMetrics, registerHubMetrics } from './metrics.js';
import type { MayStay, SwitchContext } from './switched.js';
import { ServiceSide } from './service-side.js';
import { Tenancy } from './tenancy.js';
import { Tunnel, TUNNEL_CONNECTION } from './tunnel.js';
import { Tunnels } from './tunnels.js';

/**
 * The gateway's end of the tunnels: two Unix sockets, both for Envoy alone. Agents arrive on one of them as upgrades and stay;
 * scrapes arrive on the other as HTTP/2 requests and are switched into the tunnel of their agent (scrape.ts). A third one is for the
 * gateway's own requests to services (service-side.ts).
 */

export interface HubOptions {
  /** HTTP/2 with prior knowledge: scrapes. */
  readonly hubSocketPath: string;
  /** HTTP/1.1 upgrades: agents. */
  readonly tunnelSocketPath: string;
  /** HTTP/2 with prior knowledge, for the gateway's own threads: services behind agents. Undefined = nobody asks for any. */
  readonly serviceSocketPath?: string;
  readonly logger: Logger;
  readonly registry: Registry;
  /** The targets of an agent, as it offers them now, checked. */
  readonly onRegistration: (registration: Registration) => void;
  /** `up`: the agent takes scrapes here; `down`: it does not any more (`detail` says why). */
  readonly onAgentState: (agent: string, state: 'up' | 'down', detail: string) => void;
  /** Asked each second about each CONNECT that is open, and when the state changes. Default: whoever is in may stay. */
  readonly mayStay?: MayStay;
  /** Default: `HUB_DEFAULTS`. */
  readonly timing?: Partial<HubTiming>;
  readonly clock?: Clock;
  /** Connections that an agent's tunnel may have, itself included. */
  readonly maxLanes?: number;
}

export interface HubTiming {
  readonly keepAlive: KeepAliveOptions;
  /** A scrape waits for an agent that was lost less than this ago, ms. */
  readonly reconnectGraceMs: number;
  /** How long a silent tunnel has to answer when another process claims its agent's name, ms. */
  readonly conflictPingMs: number;
  /** A CONNECT on which nothing moved for this long is ended, ms. */
  readonly connectIdleMs: number;
}

export const HUB_DEFAULTS: HubTiming = {
  keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
  reconnectGraceMs: 10_000,
  conflictPingMs: 1500,
  connectIdleMs: CONNECT_IDLE_MS,
};

/** A CONNECT stays open for hours, over what a tenant may do: so long at most after its end does it go on. */
const REVIEW_MS = 1000;

export interface Hub {
  /** Listens on both sockets; a file that is left from before is replaced. Rejects if it cannot. */
  start(): Promise<void>;
  /** Takes the gateway's id and the agents' limits; tunnels of agents that are gone from the config are cut. */
  setState(state: DesiredState): void;
  /** Closes an agent's tunnels at once. Returns how many. */
  cut(agent: string): number;
  /** Takes no new agents and CONNECTs, tells the agents, and resolves when no scrape is in flight and every CONNECT has had a quiet moment. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): Promise<void>;
}

export function createHub(options: HubOptions): Hub {
  return new HubServer(options);
}

class HubServer implements Hub {
  readonly #options: HubOptions;
  readonly #maxLanes: number;
  readonly #timing: HubTiming;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #mayStay: MayStay;
  readonly #metrics = new HubMetrics();
  readonly #deadlines: Deadlines;
  readonly #tunnels: Tunnels;
  readonly #context: SwitchContext;
  readonly #servers: Server[] = [];
  readonly #envoys = new Set<EnvoySide>();
  /** Sockets on which a handshake is under way. */
  readonly #newcomers = new Set<SocketIo>();
  readonly #tenancy = new Tenancy();
  #state: DesiredState | undefined;
  #maxTargets: ReadonlyMap<string, number> = new Map();
  #sites: ReadonlyMap<string, Site> = new Map();
  readonly #certificates = new CertificateChanges();
  #agentsUp = 0;
  #draining = false;
  #onDrained: (() => void)[] = [];
  #stopReviewing = (): void => {};

  constructor(options: HubOptions) {
    this.#options = options;
    this.#maxLanes = options.maxLanes ?? MAX_LANES;
    this.#timing = { ...HUB_DEFAULTS, ...options.timing };
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger;
    this.#mayStay = options.mayStay ?? (() => true);
    this.#deadlines = new Deadlines(this.#clock);
    this.#tunnels = new Tunnels(this.#timing, this.#clock, {
      onAgentUp: (agent) => this.#agentState(agent, 'up', 'connected'),
      onAgentDown: (agent, detail) => this.#agentState(agent, 'down', detail),
    });
    this.#context = {
      tunnels: this.#tunnels,
      deadlines: this.#deadlines,
      metrics: this.#metrics,
      tenancy: this.#tenancy,
      latencies: new Latencies(),
      clock: this.#clock,
      connects: new Set(),
      connectIdleMs: this.#timing.connectIdleMs,
    };
    registerHubMetrics(options.registry, this.#metrics, {
      tunnels: () => [...this.#tunnels.all()].length,
      agents: () => this.#agentsUp,
      inFlight: () => this.#inFlight() - this.#context.connects.size,
      connects: () => this.#context.connects.size,
      queuedBytes: () => [...this.#envoys].reduce((sum, side) => sum + side.connection.outbound.queuedBytes, 0),
    });
  }

  // ---- life

  async start(): Promise<void> {
    await this.#listen(this.#options.hubSocketPath, (socket) => this.#acceptEnvoy(socket));
    await this.#listen(this.#options.tunnelSocketPath, (socket) => this.#acceptAgent(socket));
    if (this.#options.serviceSocketPath !== undefined) await this.#listen(this.#options.serviceSocketPath, (socket) => this.#acceptOwn(socket));
    this.#keepReviewing();
  }

  async #listen(path: string, onSocket: (socket: Socket) => void): Promise<void> {
    await rm(path, { force: true });
    // Paused: nothing is read before the socket is taken over (h2/socket-io.ts).
    const server = createServer({ pauseOnConnect: true }, onSocket);
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve());
    });
    await chmod(path, 0o600);
  }

  setState(state: DesiredState): void {
    const isFirst = this.#state === undefined;
    this.#state = state;
    this.#maxTargets = new Map(state.agents.map((agent) => [agent.name, agent.maxTargets]));
    this.#certificates.keepOnly(this.#maxTargets);
    this.#setSites(sitesByMember(state), isFirst);
    this.#tenancy.setState(state);
    const revoked = this.#revokedAgents(state);
    for (const agent of this.#tunnels.agents()) if (!this.#maxTargets.has(agent) || revoked.has(agent)) this.cut(agent);
    for (const side of this.#envoys) side.recheck();
    this.#reviewConnects();
  }

  #reviewConnects(): void {
    for (const connect of this.#context.connects) connect.review(this.#mayStay);
  }

  #keepReviewing(): void {
    this.#stopReviewing = this.#clock.after(REVIEW_MS, () => {
      this.#reviewConnects();
      this.#keepReviewing();
    });
  }

  /** Who has joined or left a site is scraped by another name, which may be another data thread's: it must dial again. */
  #setSites(sites: ReadonlyMap<string, Site>, isFirst: boolean): void {
    const homeIn = (from: ReadonlyMap<string, Site>, agent: string): string => from.get(agent)?.name ?? agent;
    const moved = [...this.#maxTargets.keys()].filter((agent) => homeIn(sites, agent) !== homeIn(this.#sites, agent));
    this.#sites = sites;
    for (const tunnel of this.#tunnels.all()) {
      if (tunnel.home === homeIn(sites, tunnel.agent)) continue;
      tunnel.tellDraining();
      tunnel.leave();
    }
    if (!isFirst) for (const agent of moved) this.#tunnels.expect(agent);
  }

  /** By the name in their certificates, or by the serial of the one that they came with. */
  #revokedAgents({ gateway, agents }: DesiredState): ReadonlySet<string> {
    const sans = new Set(gateway.revoked?.sans.map(({ type, value }) => `${type}:${value}`));
    const byName = agents.filter(({ san }) => sans.has(`${san.type}:${san.value}`)).map(({ name }) => name);
    const bySerial = [...this.#tunnels.all()].filter(({ serial }) => this.#tenancy.isRevoked({ tenant: undefined, credentials: '', serial })).map(({ agent }) => agent);
    return new Set([...byName, ...bySerial]);
  }

  cut(agent: string): number {
    const before = [...this.#tunnels.all()].length;
    this.#tunnels.cut(agent, 'revoked');
    const closed = before - [...this.#tunnels.all()].length;
    if (closed > 0) this.#logger.warn({ agent, closed }, 'agent cut off');
    return closed;
  }

  async drain(): Promise<void> {
    this.#draining = true;
    for (const tunnel of this.#tunnels.all()) tunnel.tellDraining();
    // Nobody comes back to a gateway that stops: who waits for that has waited enough.
    this.#tunnels.stop();
    for (const connect of this.#context.connects) connect.endWhenQuiet();
    if (this.#inFlight() === 0) return;
    await new Promise<void>((resolve) => this.#onDrained.push(resolve));
  }

  async close(): Promise<void> {
    this.#draining = true;
    for (const server of this.#servers) server.close();
    for (const agent of this.#tunnels.agents()) this.#tunnels.cut(agent, 'the gateway stops');
    for (const side of this.#envoys) side.connection.close(ErrorCode.noError, 'the gateway stops');
    for (const io of this.#newcomers) io.destroy();
    this.#deadlines.stop();
    this.#stopReviewing();
    const { hubSocketPath, tunnelSocketPath, serviceSocketPath } = this.#options;
    await Promise.all([hubSocketPath, tunnelSocketPath, serviceSocketPath].map((path) => path && rm(path, { force: true })));
  }

  #inFlight(): number {
    let sum = 0;
    for (const side of this.#envoys) sum += side.connection.streams.size;
    return sum;
  }

  #checkDrained(): void {
    if (this.#onDrained.length === 0 || this.#inFlight() > 0) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  // ---- Envoy's scrapes

  #acceptEnvoy(socket: Socket): void {
    this.#envoys.add(new EnvoySide(new SocketIo(socket), this.#sideOptions(), this.#context, this.#sideEvents));
  }

  #acceptOwn(socket: Socket): void {
    const membersOf = (name: string): readonly string[] | undefined => this.#state?.sites?.find((site) => site.name === name)?.agents;
    this.#envoys.add(new ServiceSide(new SocketIo(socket), this.#sideOptions(), this.#context, this.#sideEvents, membersOf));
  }

  #sideOptions(): ConnectionOptions {
    return { ...ENVOY_CONNECTION, nowMs: () => this.#clock.nowMs() };
  }

  readonly #sideEvents: EnvoySideEvents = {
    refusal: (request) => this.#drainRefusal(request),
    onRequestEnd: () => this.#checkDrained(),
    onClosed: (closed, close) => this.#envoyClosed(closed, close),
  };

  /** Clients that have not looked elsewhere yet are served while there is a tunnel; what would stay is not begun. */
  #drainRefusal({ members, method }: ScrapeRequest): Reason | undefined {
    if (!this.#draining) return undefined;
    return method === 'CONNECT' || members.every((agent) => typeof this.#tunnels.find(agent) === 'string') ? 'gateway_draining' : undefined;
  }

  #envoyClosed(side: EnvoySide, close: Close): void {
    this.#envoys.delete(side);
    this.#checkDrained();
    if (close.code !== ErrorCode.noError) this.#logger.error({ close }, 'a connection to the hub was closed');
  }

  // ---- agents

  #acceptAgent(socket: Socket): void {
    const io = new SocketIo(socket);
    this.#newcomers.add(io);
    receiveHandshake(io, this.#clock, {
      onUpgrade: (upgrade) => this.#claim(io, upgrade),
      onBadRequest: () => this.#refuse(io, undefined, 'bad_upgrade'),
      onGone: () => this.#newcomers.delete(io),
    });
  }

  #claim(io: SocketIo, upgrade: Upgrade): void {
    const refusal = this.#refusal(upgrade.agent) ?? this.#metAgain(upgrade);
    if (refusal !== undefined) return this.#refuse(io, upgrade, refusal);
    if (upgrade.lane !== undefined) return this.#openLane(io, upgrade);
    this.#tunnels.claim(upgrade.agent, upgrade.instance, (verdict) => {
      if (verdict !== 'free') this.#certificates.metRival(upgrade);
      if (io.destroyed) return;
      // The config may have changed while the old tunnel was asked.
      const late = verdict === 'agent_conflict' ? verdict : this.#refusal(upgrade.agent);
      if (late === undefined) this.#open(io, upgrade);
      else this.#refuse(io, upgrade, late);
    });
  }

  #refusal(agent: string): Reason | undefined {
    if (this.#draining) return 'gateway_draining';
    if (this.#state === undefined) return 'authz_starting';
    return this.#maxTargets.has(agent) ? undefined : 'agent_unknown';
  }

  /** The agent looks for other gateways behind one address. Where its tunnel is not known here, its word does not count: it is lost. */
  #metAgain({ agent, instance, known }: Upgrade): Reason | undefined {
    return known.includes(this.#ids().id) && this.#tunnels.of(agent, instance) !== undefined ? 'tunnel_known' : undefined;
  }

  /** Behind a load balancer a lane may arrive at another gateway than its tunnel's; which of them it means, it says. */
  #openLane(io: SocketIo, upgrade: Upgrade): void {
    const main = upgrade.lane === this.#ids().id ? this.#tunnels.of(upgrade.agent, upgrade.instance) : undefined;
    if (main === undefined || main.lanes.size + 1 >= this.#maxLanes) this.#refuse(io, upgrade, 'lane_refused');
    else this.#open(io, upgrade, main);
  }

  #ids(): GatewayIds {
    const { id = '', peers } = this.#state?.gateway ?? {};
    return { id, all: peers && [id, ...peers] };
  }

  #refuse(io: SocketIo, upgrade: Upgrade | undefined, reason: Reason): void {
    this.#newcomers.delete(io);
    this.#metrics.refuse(reason);
    // an agent behind a load balancer is expected to meet a gateway again, and one that is not its lane's
    if (reason === 'tunnel_known' || reason === 'lane_refused') this.#logger.debug({ ...upgrade, reason }, 'tunnel refused');
    else this.#logger.warn({ ...upgrade, reason }, 'tunnel refused');
    io.write(refusalOf(reason, gatewayIdLines(this.#ids())));
    io.end();
  }

  /** Another certificate under the same name is let in, if its holder is alone or proves to be the same process; never unseen. */
  #noteCertificate(upgrade: Upgrade): void {
    const change = this.#certificates.note(upgrade);
    if (change === undefined) return;
    this.#metrics.countCertificateChange(change.process);
    this.#logger[change.process === 'other' ? 'warn' : 'info']({ agent: upgrade.agent, ...change }, 'an agent came with another certificate than before');
  }

  #open(io: SocketIo, upgrade: Upgrade, main?: Tunnel): void {
    const { agent, home, instance, serial } = upgrade;
    this.#newcomers.delete(io);
    this.#noteCertificate(upgrade);
    io.write(Buffer.from(upgradeAnswer(this.#ids(), this.#maxLanes)));
    const options = {
      agent, main, home, instance, serial: normalSerial(serial),
      keepAlive: this.#timing.keepAlive,
      connection: { ...TUNNEL_CONNECTION, nowMs: () => this.#clock.nowMs() },
      maxTargets: () => this.#maxTargets.get(agent) ?? 0,
    };
    const tunnel = new Tunnel(io, options, this.#clock, {
      onUp: (up) => this.#tunnels.onUp(up),
      onLeaving: (leaving) => this.#tunnels.onLeaving(leaving),
      onClosed: (closed, close) => this.#tunnelClosed(closed, close),
      onRegistration: (registration) => this.#registered(registration),
    });
    this.#tunnels.add(tunnel);
  }

  #registered(registration: Registration): void {
    this.#logger.info({ agent: registration.agent, revision: registration.revision, targets: registration.targets.length }, 'targets registered');
    this.#options.onRegistration(registration);
  }

  #tunnelClosed(tunnel: Tunnel, close: Close): void {
    if (tunnel.silent) this.#metrics.keepAliveLosses += 1;
    if (close.by === 'us' && close.code !== ErrorCode.noError) this.#metrics.violations += 1;
    this.#logger.info({ agent: tunnel.agent, instance: tunnel.instance, by: close.by, code: errorName(close.code), detail: close.detail }, 'tunnel closed');
    this.#tunnels.onClosed(tunnel, close);
  }

  #agentState(agent: string, state: 'up' | 'down', detail: string): void {
    this.#agentsUp += state === 'up' ? 1 : -1;
    this.#logger.info({ agent, detail }, `agent ${state}`);
    this.#options.onAgentState(agent, state, detail);
  }
}
