import { ErrorCode } from '../h2/index.js';
import type { Abort, FieldList, Stream } from '../h2/index.js';
import type { Reason } from '../model/reasons.js';
import { agentReason } from './headers.js';
import type { ScrapeRequest } from './headers.js';
import type { HedgeCause, HedgeOutcome } from './metrics.js';
import type { Expiring } from './deadlines.js';
import type { TunnelStreamUser } from './stream-user.js';
import { mayFareBetter } from './candidates.js';
import type { SwitchContext } from './switched.js';
import type { Tunnel } from './tunnel.js';

/**
 * A second member of a site, asked while the first still owes its answer (ADR 31). Two causes: the target is *slow*, longer than the
 * site's `hedge`; or the tunnel is *silent*: not one byte, not even an answer to a PING, in a small part of the time that is left. A
 * frozen host is noticed so within the scrape, long before the keep-alive gives its tunnel up, and a slow target is not asked twice for it.
 *
 * The one idea: until it answers, this stream is a stranger to the scrape; when it answers first, or when the first fails, it becomes
 * the scrape's own stream, and nothing else in the switch knows that there were two.
 */

export interface Asked {
  readonly tunnel: Tunnel;
  readonly stream: Stream<TunnelStreamUser>;
}

export interface HedgeOwner {
  readonly deadlineMs: number;
  /** Asks a member that is not asked yet; undefined: there is none. */
  askAnother(user: TunnelStreamUser): Asked | undefined;
  /** It answers first: the scrape goes on with its stream (`take`), and with this head. */
  onHedgeHead(fields: FieldList, endStream: boolean): void;
  /** This member could not. */
  onHedgeFailed(agent: string, reason: Reason): void;
}

/** Part of the time left within which a byte must come from a tunnel that was asked; and its bounds, ms. */
const SILENT_PART = 4;
const MIN_SILENT_MS = 50;
const MAX_SILENT_MS = 1500;
/** A target that answers in no time at all would be asked twice for every hiccup. */
const MIN_SLOW_MS = 10;

export class Hedge implements TunnelStreamUser {
  readonly #context: SwitchContext;
  readonly #request: ScrapeRequest;
  readonly #owner: HedgeOwner;
  #asked: Asked | undefined;
  #cause: HedgeCause = 'slow';
  #silence: Alarm | undefined;
  #slowness: Alarm | undefined;

  constructor(context: SwitchContext, request: ScrapeRequest, owner: HedgeOwner) {
    this.#context = context;
    this.#request = request;
    this.#owner = owner;
  }

  /** The scrape's own stream was opened on this tunnel. */
  watch(tunnel: Tunnel): void {
    this.#watchSilence(tunnel);
    const { hedge, agent, target } = this.#request;
    const afterMs = hedge === 'p95' ? this.#context.latencies.p95(`${agent}/${target}`) : hedge;
    this.#slowness?.off();
    if (afterMs !== undefined) this.#slowness = new Alarm(this.#context, Math.max(afterMs, MIN_SLOW_MS), () => this.#ask('slow'));
  }

  /** Hands its stream over, if it has one; it is not this one's any more. */
  take(): Asked | undefined {
    const asked = this.#asked;
    if (asked === undefined) return undefined;
    this.#forget('won');
    return asked;
  }

  /** The scrape is answered, or over. */
  stop(): void {
    this.#silence?.off();
    this.#slowness?.off();
    this.#giveUp('lost');
  }

  // ---- silence

  #watchSilence(tunnel: Tunnel): void {
    const askedMs = this.#context.clock.nowMs();
    const partMs = Math.min((this.#owner.deadlineMs - askedMs) / SILENT_PART, MAX_SILENT_MS);
    const waitMs = Math.max(partMs, MIN_SILENT_MS, tunnel.patienceMs) / 2;
    const unlessHeard = (act: () => void) => (): void => {
      if (tunnel.heardMs < askedMs && tunnel.state !== 'closed') act();
    };
    const giveUp = unlessHeard(() => this.#silent(tunnel, askedMs));
    const probe = unlessHeard(() => {
      tunnel.probe();
      this.#silence = new Alarm(this.#context, waitMs, giveUp);
    });
    this.#silence?.off();
    this.#silence = new Alarm(this.#context, waitMs, probe);
  }

  #silent(tunnel: Tunnel, askedMs: number): void {
    tunnel.markSilent(askedMs);
    if (this.#asked?.tunnel === tunnel) this.#giveUp('lost');
    this.#ask('silent');
  }

  // ---- the second stream

  #ask(cause: HedgeCause): void {
    if (this.#asked !== undefined) return;
    this.#asked = this.#owner.askAnother(this);
    if (this.#asked === undefined) return;
    this.#cause = cause;
    this.#watchSilence(this.#asked.tunnel);
  }

  #giveUp(outcome: HedgeOutcome): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    this.#forget(outcome);
    asked.tunnel.reset(asked.stream, ErrorCode.cancel);
  }

  #forget(outcome: HedgeOutcome): void {
    this.#asked = undefined;
    this.#context.metrics.countHedge(this.#cause, outcome);
  }

  #failed(reason: Reason): void {
    const agent = this.#asked?.tunnel.agent;
    if (agent === undefined) return;
    this.#giveUp('failed');
    this.#owner.onHedgeFailed(agent, reason);
    this.#ask(this.#cause);
  }

  // ---- TunnelStreamUser, while it is a stranger

  onHead(fields: FieldList, endStream: boolean): void {
    const reason = agentReason(fields);
    if (reason !== undefined && mayFareBetter(reason)) return this.#failed(reason);
    this.#owner.onHedgeHead(fields, endStream);
  }

  onAbort(abort: Abort): void {
    this.#failed(abort.by === 'violation' ? 'agent_misbehaved' : 'agent_lost');
  }

  /** Nothing else comes before a head, or concerns a request without a body. */
  onInterim(): void {}
  onBody(): void {}
  onTrailers(): void {}
  onWindow(): void {}
  onReleased(): void {}
}

/** One act after a while, by the hub's shared timer. */
class Alarm implements Expiring {
  readonly deadlineMs: number;
  readonly onDeadline: () => void;
  readonly #context: SwitchContext;

  constructor(context: SwitchContext, afterMs: number, act: () => void) {
    this.#context = context;
    this.deadlineMs = context.clock.nowMs() + afterMs;
    this.onDeadline = act;
    context.deadlines.arm(this);
  }

  off(): void {
    this.#context.deadlines.disarm(this);
  }
}
