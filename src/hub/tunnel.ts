import { Connection, ErrorCode, STRICT_LIMITS } from '../h2/index.js';
import type { Abort, Close, ConnectionHandler, ConnectionOptions, FieldList, SocketIo, Stream } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import type { Registration } from '../model/target.js';
import { startKeepAlive } from '../tunnel/keepalive.js';
import type { KeepAlive, KeepAliveOptions } from '../tunnel/keepalive.js';
import { Control } from './control.js';
import type { TunnelStreamUser } from './stream-user.js';

/**
 * One tunnel, from the 101 on: an HTTP/2 connection on which the hub is the client, a control stream, a keep-alive. It knows
 * what its state is; which tunnel an agent's scrapes go to is decided in tunnels.ts.
 */

/**
 * opening: the peers' SETTINGS are on their way; up: takes scrapes; leaving: the agent takes no new scrapes (drain, GOAWAY), or
 * there is a newer tunnel, or the stream ids run out: it closes with its last scrape.
 */
export type TunnelState = 'opening' | 'up' | 'leaving' | 'closed';

export interface TunnelEvents {
  onUp(tunnel: Tunnel): void;
  /** Takes no new scrapes from now on, though it is not closed yet. */
  onLeaving(tunnel: Tunnel): void;
  onClosed(tunnel: Tunnel, close: Close): void;
  onRegistration(registration: Registration): void;
}

export interface TunnelOptions {
  readonly agent: string;
  /** It is a lane of this tunnel: one more connection for scrapes, and nothing else. */
  readonly main?: Tunnel | undefined;
  readonly home: string;
  readonly instance: string;
  readonly serial: string | undefined;
  readonly keepAlive: KeepAliveOptions;
  readonly connection: ConnectionOptions;
  readonly maxTargets: () => number;
}

/** The agent must have answered our SETTINGS by then, ms. */
const OPENING_TIMEOUT_MS = 10_000;
/** No way is longer than this, ms. */
const MAX_PATIENCE_MS = 1500;
/** More than any tunnel has scrapes in flight. */
const SILENT_BURDEN = 1e6;
/** Identifiers that a tunnel keeps in reserve: below, it is replaced by a new one (trap 8). */
const RESERVED_STREAM_IDS = 1024;

/** How every tunnel's connection is set up; `nowMs` apart. */
export const TUNNEL_CONNECTION: Omit<ConnectionOptions, 'nowMs'> = {
  role: 'client',
  // The stream window is what Envoy grants by default (xds: initial_stream_window_size), so that nothing need be granted
  // when a stream opens. The connection's is far larger: what it counts has usually gone on by the time it is counted.
  settings: { maxConcurrentStreams: 0, initialWindowBytes: 1024 * 1024, maxHeaderListBytes: 64 * 1024, headerTableBytes: 0 },
  connectionWindowBytes: 16 * 1024 * 1024,
  limits: STRICT_LIMITS,
  flow: 'manual',
};

export class Tunnel implements ConnectionHandler<TunnelStreamUser> {
  readonly agent: string;
  /** What its scrapes are asked for by: the agent's site, or the agent. */
  readonly home: string;
  readonly instance: string;
  /** Of the agent's certificate; undefined where Envoy says none. */
  readonly serial: string | undefined;
  readonly connection: Connection<TunnelStreamUser>;
  readonly main: Tunnel | undefined;
  /** Of a tunnel that is no lane itself: its lanes, but those that are leaving. */
  readonly lanes = new Set<Tunnel>();
  readonly #io: SocketIo;
  readonly #clock: Clock;
  readonly #events: TunnelEvents;
  readonly #control: Control;
  readonly #keepAlive: KeepAlive;
  readonly #cancelOpening: () => void;
  #state: TunnelState = 'opening';
  /** Waits for a sign of life (see `challenge`). */
  #challenge: ((alive: boolean) => void) | undefined;

  /** Set when the tunnel was given up because nothing was heard. */
  silent = false;
  /** How long a byte may take after asking before the tunnel counts as silent, ms: learned from when it was wrongly taken for that. */
  patienceMs = 0;
  #silentSinceMs: number | undefined;
  /** When our SETTINGS went, and each PING that is not answered yet. */
  readonly #openedMs: number;
  readonly #pingsMs: number[] = [];
  /** When the last byte came, on the clock's time. */
  heardMs: number;
  #probed = false;

  /** Takes `io` over, behind the handshake. */
  constructor(io: SocketIo, options: TunnelOptions, clock: Clock, events: TunnelEvents) {
    this.agent = options.agent;
    this.main = options.main;
    this.home = options.home;
    this.instance = options.instance;
    this.serial = options.serial;
    this.#io = io;
    this.#clock = clock;
    this.#openedMs = clock.nowMs();
    this.heardMs = this.#openedMs;
    this.#events = events;
    this.connection = new Connection(io, options.connection, this);
    this.#control = new Control(options.agent, this.connection, options.maxTargets, {
      onRegistration: (registration) => (this.main === undefined ? events.onRegistration(registration) : undefined),
      onDraining: () => this.leave(),
      onBroken: (detail) => this.connection.close(ErrorCode.cancel, detail),
    });
    this.#keepAlive = startKeepAlive(options.keepAlive, clock, {
      ping: () => this.#ping(),
      dead: (silentMs) => {
        this.silent = true;
        this.destroy(`nothing heard for ${Math.round(silentMs)} ms`);
      },
    });
    this.#cancelOpening = clock.after(OPENING_TIMEOUT_MS, () => this.destroy('the agent did not answer our SETTINGS'));
    io.attach({
      onBytes: (bytes, start, end) => this.#onBytes(bytes, start, end),
      onDrain: () => this.connection.onDrain(),
      onClose: (error) => this.connection.onClose(error),
    });
    this.connection.start();
  }

  get state(): TunnelState {
    return this.#state;
  }

  /** Scrapes in flight (the control stream is none). */
  get scrapes(): number {
    return Math.max(0, this.connection.streams.size - 1);
  }

  /** How bad a choice it is for the next scrape: by scrapes in flight, and above all when it is silent. */
  get burden(): number {
    return this.scrapes + (this.silentOnAsk ? SILENT_BURDEN : 0);
  }

  /** Opens a stream for a scrape; undefined: the agent has as many as it takes (SETTINGS_MAX_CONCURRENT_STREAMS). */
  openStream(block: Uint8Array, request: { endStream: boolean; head: boolean }, user: TunnelStreamUser): Stream<TunnelStreamUser> | undefined {
    const stream = this.connection.openStream(block, request, user);
    if (this.connection.streams.idsLeft < RESERVED_STREAM_IDS) this.leave();
    return stream;
  }

  /** Ends a scrape's stream before its time. */
  reset(stream: Stream<TunnelStreamUser>, code: number): void {
    this.connection.reset(stream, code);
    this.#closeIfIdle();
  }

  /** Takes no new scrapes, finishes those in flight, closes. */
  leave(): void {
    if (this.#state !== 'up' && this.#state !== 'opening') return;
    this.#state = 'leaving';
    this.#events.onLeaving(this);
    this.#closeIfIdle();
  }

  /** Tells the agent that this gateway is stopping. */
  tellDraining(): void {
    if (this.#state === 'up') this.#control.send({ type: 'draining' });
  }

  /** Is the agent still there? Sends a PING; any byte within `timeoutMs` is a yes. A second caller shares the answer. */
  challenge(timeoutMs: number, answer: (alive: boolean) => void): void {
    const earlier = this.#challenge;
    this.#challenge = (alive) => {
      earlier?.(alive);
      answer(alive);
    };
    if (earlier !== undefined) return;
    this.#ping();
    this.#clock.after(timeoutMs, () => this.#answerChallenge(false));
  }

  /** Not a byte came when it was last asked: another member of its site comes first, until one does. */
  get silentOnAsk(): boolean {
    return this.#silentSinceMs !== undefined;
  }

  /** Asked at `askedMs`, and not a byte came since. */
  markSilent(askedMs: number): void {
    this.#silentSinceMs ??= askedMs;
  }

  /** Asks for a sign of life; one PING, however many ask before something is heard. */
  probe(): void {
    if (this.#probed) return;
    this.#probed = true;
    this.#ping();
  }

  #ping(): void {
    this.#pingsMs.push(this.#clock.nowMs());
    this.connection.ping();
  }

  /** Ends the tunnel now; scrapes in flight fail. */
  destroy(detail: string): void {
    this.connection.close(ErrorCode.noError, detail);
    this.#io.destroy();
  }

  /** A long way is not silence; a host that was frozen was. */
  #wasNotSilent(tookMs: number): void {
    this.#silentSinceMs = undefined;
    if (tookMs < MAX_PATIENCE_MS) this.patienceMs = Math.max(this.patienceMs, Math.min(2 * tookMs, MAX_PATIENCE_MS));
  }

  #answerChallenge(alive: boolean): void {
    const answer = this.#challenge;
    this.#challenge = undefined;
    answer?.(alive);
  }

  #closeIfIdle(): void {
    if (this.#state === 'leaving' && this.scrapes === 0) this.connection.close(ErrorCode.noError, 'done');
  }

  #onBytes(bytes: Buffer, start: number, end: number): void {
    this.#keepAlive.received();
    this.heardMs = this.#clock.nowMs();
    this.#probed = false;
    if (this.#silentSinceMs !== undefined) this.#wasNotSilent(this.heardMs - this.#silentSinceMs);
    if (this.#challenge !== undefined) this.#answerChallenge(true);
    this.connection.onBytes(bytes, start, end);
  }

  // ---- ConnectionHandler: what concerns a stream goes to its user

  onReady(): void {
    if (this.#state !== 'opening') return;
    this.#cancelOpening();
    // our SETTINGS have been there and back
    this.#keepAlive.measured(this.#clock.nowMs() - this.#openedMs);
    this.#state = 'up';
    this.#control.open();
    if (this.state === 'up') this.#events.onUp(this);
  }

  onPong(): void {
    const sentMs = this.#pingsMs.shift();
    if (sentMs !== undefined) this.#keepAlive.measured(this.#clock.nowMs() - sentMs);
  }

  onHeaders(stream: Stream<TunnelStreamUser>, fields: FieldList, endStream: boolean): void {
    stream.context?.onHead(fields, endStream);
  }

  onInterim(stream: Stream<TunnelStreamUser>, fields: FieldList, status: number): void {
    stream.context?.onInterim(fields, status);
  }

  onData(stream: Stream<TunnelStreamUser>, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    stream.context?.onBody(bytes, start, end, endStream);
  }

  onTrailers(stream: Stream<TunnelStreamUser>, fields: FieldList): void {
    stream.context?.onTrailers(fields);
  }

  onAbort(stream: Stream<TunnelStreamUser>, abort: Abort): void {
    stream.context?.onAbort(abort);
    this.#closeIfIdle();
  }

  onStreamWindow(stream: Stream<TunnelStreamUser>, increment: number): void {
    stream.context?.onWindow(increment);
  }

  onReleased(stream: Stream<TunnelStreamUser>, bytes: number): void {
    stream.context?.onReleased(bytes);
  }

  onGoaway(): void {
    this.leave();
  }

  onStreamClosed(): void {
    this.#closeIfIdle();
  }

  onClose(close: Close): void {
    this.#state = 'closed';
    this.#cancelOpening();
    this.#keepAlive.stop();
    this.#answerChallenge(false);
    this.#events.onClosed(this, close);
  }
}
