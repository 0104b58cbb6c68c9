/**
 * CONNECT at the agent: the hub's stream joined to a TCP connection to the target's own host and port; what is said on it is the
 * client's and the target's, TLS from end to end.
 *
 * The last word is here too: only a target whose URL is `https` can be reached so. In what TLS hides neither path nor method can
 * be checked (ADR 12), and for an `http` target the doors that do check them are there.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ErrorCode } from '../h2/index.js';
import type { Reason } from '../model/reasons.js';
import { CONNECT_IDLE_MS, CONNECT_QUIET_MS } from '../tunnel/streams.js';
import type { AgentMetrics } from './metrics.js';
import { answerReason, breakOff, budgetMs, readRequest } from './scrape.js';
import type { LiveTarget, Outcome, ScrapeDeps, ScrapeRecord, ScrapeRequest } from './scrape.js';
import { lookupAllowed } from './target-client.js';
import { targetReason } from './target-error.js';
import type { TunnelStream } from './tunnel-stream.js';

export interface ConnectsOptions extends ScrapeDeps {
  /** CONNECTs to one target; more are refused: those that are open may stay so for hours. */
  readonly maxPerTarget: number;
  readonly metrics: Pick<AgentMetrics, 'connects' | 'connectsOpen' | 'connectBytes'>;
}

/** All CONNECTs of an agent. */
export interface Connects {
  /** Answers one stream. `received` is its header list, flat, names in lower case. Never throws. */
  serve(stream: TunnelStream, received: readonly string[]): void;
  readonly open: () => number;
  /** The targets have changed: cuts what leads to one that is gone, or is dialled differently now. */
  review(): void;
  /** The agent stops: each ends as soon as it is between two scrapes. */
  endWhenQuiet(): void;
}

export function isConnect(received: readonly string[]): boolean {
  return received[received.indexOf(':method') + 1] === 'CONNECT';
}

export function createConnects(options: ConnectsOptions): Connects {
  const { metrics, findTarget } = options;
  const open = new Set<Connect>();
  let idleMs = CONNECT_IDLE_MS;

  const refusal = (live: LiveTarget): Reason | undefined => {
    if (live.spec.target.scheme !== 'https' || live.reach.denied) return 'agent_denied';
    const others = [...open].filter(({ target }) => target?.pool === live.pool).length;
    // the new one is among them
    return options.hasRoom() && others <= options.maxPerTarget ? undefined : 'agent_overloaded';
  };
  return {
    serve: (stream, received) => {
      const request = readRequest(received);
      const live = findTarget(request.authority);
      const served = new Connect(stream, live, metrics.connectBytes, (record) => {
        open.delete(served);
        metrics.connectsOpen.set(open.size);
        metrics.connects.inc({ outcome: record.outcome });
        options.onEnd(record);
      });
      open.add(served);
      metrics.connectsOpen.set(open.size);
      if (live === undefined) return served.fail('target_unknown');
      const reason = refusal(live);
      if (reason !== undefined) return served.fail(reason);
      served.run(live, request, idleMs);
    },
    open: () => open.size,
    review: () => {
      for (const each of open) if (each.target !== undefined && findTarget(each.target.spec.target.name)?.pool !== each.target.pool) each.fail('agent_denied');
    },
    endWhenQuiet: () => {
      idleMs = CONNECT_QUIET_MS;
      for (const each of open) each.endAfter(idleMs);
    },
  };
}

/** A class for the same reason as a scrape: stream, socket and timer share its state. It ends exactly once, in `#finish`. */
class Connect {
  readonly target: LiveTarget | undefined;
  readonly #stream: TunnelStream;
  readonly #bytes: AgentMetrics['connectBytes'];
  readonly #onEnd: (record: ScrapeRecord) => void;
  readonly #startedMs = performance.now();
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #idleMs = CONNECT_IDLE_MS;
  #established = false;
  #finished = false;
  #bytesToClient = 0;

  constructor(stream: TunnelStream, target: LiveTarget | undefined, bytes: AgentMetrics['connectBytes'], onEnd: (record: ScrapeRecord) => void) {
    this.target = target;
    this.#stream = stream;
    this.#bytes = bytes;
    this.#onEnd = onEnd;
    // always followed by 'close'
    stream.on('error', () => undefined);
    stream.on('close', () => this.#streamClosed());
  }

  run({ spec, reach }: LiveTarget, request: ScrapeRequest, idleMs: number): void {
    this.#idleMs = idleMs;
    const { host, port } = spec.target;
    // each direction ends on its own
    const socket = connect({ host, port, lookup: lookupAllowed(reach), allowHalfOpen: true, noDelay: true });
    this.#socket = socket;
    this.#timer = setTimeout(() => this.fail('target_timeout'), budgetMs(request, spec));
    socket.on('error', (error) => this.fail(targetReason(error)));
    socket.once('connect', () => this.#join(socket));
    socket.on('timeout', () => this.fail('idle'));
  }

  #join(socket: Socket): void {
    if (this.#finished) return;
    clearTimeout(this.#timer);
    this.#established = true;
    this.#stream.respond({ ':status': '200' });
    socket.setTimeout(this.#idleMs);
    socket.on('data', (chunk: Buffer) => {
      this.#bytesToClient += chunk.length;
      this.#bytes.inc({ direction: 'to_client' }, chunk.length);
    });
    this.#stream.on('data', (chunk: Buffer) => this.#bytes.inc({ direction: 'to_target' }, chunk.length));
    this.#stream.on('end', () => socket.end());
    this.#stream.pipe(socket, { end: false });
    socket.pipe(this.#stream);
  }

  endAfter(idleMs: number): void {
    this.#idleMs = idleMs;
    if (this.#established) this.#socket?.setTimeout(idleMs);
  }

  /** Ends it with a reason: as an answer while that is possible, else by breaking both sides. */
  fail(reason: Reason): void {
    if (this.#finished) return;
    this.#finish(reason);
    this.#abandonTarget();
    if (this.#stream.destroyed || this.#stream.closed) return;
    if (this.#stream.headersSent) breakOff(this.#stream);
    else answerReason(this.#stream, reason);
  }

  #streamClosed(): void {
    this.#finish(this.#established ? 'ok' : 'cancelled');
    const { rstCode } = this.#stream;
    const whole = this.#socket?.readableEnded === true && this.#socket.writableEnded;
    // CANCEL is a client that went away, as most do (an HTTP/1.1 client has no other way): for the target a connection that closes
    if (whole) this.#leaveTarget();
    else if (rstCode === ErrorCode.noError || rstCode === ErrorCode.cancel) this.#socket?.destroy();
    else this.#abandonTarget();
  }

  /** Both directions have ended: the last bytes are on their way to the target, which may take them or not. */
  #leaveTarget(): void {
    this.#socket?.setTimeout(CONNECT_QUIET_MS, () => this.#socket?.destroy());
    this.#socket?.destroySoon();
  }

  /** What broke on one side breaks on the other (RFC 9113 §8.5): a reset, never an end that looks whole. */
  #abandonTarget(): void {
    if (this.#socket?.connecting === false) this.#socket.resetAndDestroy();
    else this.#socket?.destroy();
  }

  #finish(outcome: Outcome): void {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#timer);
    this.#onEnd({ target: this.target?.spec.target.name, outcome, durationMs: performance.now() - this.#startedMs, bodyBytes: this.#bytesToClient, filtered: undefined });
  }
}
