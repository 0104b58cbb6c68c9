/**
 * One tunnel to a gateway's address: dial, hold, dial again. How many links an address has is for endpoint.ts to say.
 *
 *   waiting ──timer──▶ dialling ──101──▶ up ──lost──▶ waiting (full jitter)
 *      ▲                  │ fails           │ drained by the gateway ──▶ dialling at once
 *      └──────────────────┘                 └ drain() ──▶ stopped
 *
 * The state is one tagged object, changed in one place; whatever belongs to a state is ended when it is left.
 */
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Target } from '../model/target.js';
import { createBackoff } from '../tunnel/backoff.js';
import type { HubMessage } from '../tunnel/messages.js';
import { dial } from './dial.js';
import { startLanes } from './lanes.js';
import type { Lanes } from './lanes.js';
import type { Dialled, Met } from './dial.js';
import type { GatewayAddress } from '../model/agent-settings.js';
import type { AgentOptions } from './options.js';
import { startSession } from './session.js';
import type { Session, SessionEnd } from './session.js';
import type { TunnelStream } from './tunnel-stream.js';

export interface LinkOptions extends Pick<AgentOptions, 'credentials' | 'maxConcurrentScrapes' | 'keepAlive' | 'reconnect' | 'dialTimeoutMs'> {
  readonly gateway: GatewayAddress;
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onScrape: (stream: TunnelStream, headers: readonly string[]) => void;
  /** Targets that are offered now. */
  readonly targetCount: () => number;
  /** The lanes of a tunnel, or what is known of its way, have changed. */
  readonly onLanes: () => void;
  /** What to register, asked when a tunnel comes up; undefined while that is not known yet. */
  readonly registration: () => { readonly revision: number; readonly targets: readonly Target[] } | undefined;
  readonly onRegistered: (answer: HubMessage & { type: 'registered' }) => void;
  /** Ids of gateways that other links have tunnels to. */
  readonly known: () => readonly string[];
  /** A tunnel is up: to whom. */
  readonly onUp: (met: Met) => void;
  /** The tunnel is gone; the link dials again by itself. */
  readonly onDown: () => void;
  /** Behind the address was a gateway that another link has a tunnel to. Returns how long to wait before the next look, ms. */
  readonly onKnown: (met: Met | undefined) => number;
  /** A connection that ended or never came to be, by cause. */
  readonly onFailure: (cause: string) => void;
}

type State =
  | { readonly kind: 'waiting'; readonly cancel: () => void }
  | { readonly kind: 'dialling'; readonly cancel: () => void }
  | { readonly kind: 'up'; readonly session: Session; readonly lanes: Lanes; readonly gatewayId: string }
  | { readonly kind: 'stopped' };

/** A tunnel that held this long was a good one: the next reconnect starts quickly again. */
const GOOD_AFTER_MS = 10_000;
/** More streams than scrapes are allowed: control, and room to answer `agent_overloaded` instead of a reset. */
const SPARE_STREAMS = 100;

export interface Link {
  /** The tunnel is up and the targets are registered. */
  readonly isUp: () => boolean;
  /** Id of the gateway at the other end; undefined while there is no tunnel. */
  readonly gatewayId: () => string | undefined;
  /** Connections of the tunnel, and the least round trip that was seen on it, ms; 0 and undefined while there is none. */
  readonly width: () => { readonly lanes: number; readonly roundTripMs: number | undefined };
  /** Registers again; nothing to do while the tunnel is down. */
  register(): void;
  /** Finishes the scrapes in flight and closes for good. */
  drain(): Promise<void>;
}

/** Starts dialling at once. */
export function startLink(options: LinkOptions): Link {
  const { gateway, clock, keepAlive } = options;
  const logger = options.logger.child({ gateway: `${gateway.host}:${gateway.port}` });
  const backoff = createBackoff(options.reconnect);
  let state: State = { kind: 'stopped' };
  let registered = false;

  const setState = (next: State): void => {
    if (state.kind === 'waiting' || state.kind === 'dialling') state.cancel();
    const wasUp = state.kind === 'up';
    state = next;
    if (wasUp && next.kind !== 'up') options.onDown();
  };
  const wait = (delayMs: number): void => setState({ kind: 'waiting', cancel: clock.after(delayMs, () => void dialNow()) });

  const dialNow = async (): Promise<void> => {
    const abort = new AbortController();
    setState({ kind: 'dialling', cancel: () => abort.abort() });
    const result = await readAndDial(options, abort.signal);
    if (abort.signal.aborted) {
      if (result.ok) result.value.socket.destroy();
      return;
    }
    if (result.ok) return up(result.value);
    if (result.error.cause === 'tunnel_known') return wait(options.onKnown(result.error.met));
    const delayMs = backoff.next();
    logger.warn({ cause: result.error.cause, retryInMs: Math.round(delayMs) }, `no tunnel: ${result.error.message}`);
    options.onFailure(result.error.cause);
    wait(delayMs);
  };

  const up = (dialled: Dialled): void => {
    const upSinceMs = clock.nowMs();
    let gatewayDrains = false;
    const common = { keepAlive, clock, maxConcurrentStreams: options.maxConcurrentScrapes + SPARE_STREAMS, onScrape: options.onScrape };
    const session = startSession(dialled, {
      ...common,
      onControl: register,
      onMessage: (message) => {
        if (message.type === 'draining') gatewayDrains = true;
        else {
          registered = true;
          options.onRegistered(message);
        }
      },
      onClose: (cause, detail) => down(session, cause, detail, gatewayDrains, clock.nowMs() - upSinceMs),
    });
    logger.info({ gatewayId: dialled.met.id }, 'tunnel up');
    const lanes = startLanes({
      setting: gateway.lanes ?? 'auto',
      maxLanes: dialled.met.id === '' ? 1 : dialled.met.maxLanes,
      targetCount: options.targetCount,
      roundTrip: () => session.roundTrip(),
      dial: (signal) => readAndDial(options, signal, dialled.met.id),
      open: (lane, onClose) => startSession(lane, { ...common, onControl: () => undefined, onMessage: () => undefined, onClose }),
      onChange: options.onLanes,
      clock,
      logger,
    });
    setState({ kind: 'up', session, lanes, gatewayId: dialled.met.id });
    options.onUp(dialled.met);
  };

  const down = (session: Session, cause: SessionEnd, detail: string, gatewayDrains: boolean, upMs: number): void => {
    registered = false;
    if (state.kind !== 'up' || state.session !== session) return;
    void state.lanes.drain();
    if (upMs >= GOOD_AFTER_MS || gatewayDrains) backoff.reset();
    const delayMs = gatewayDrains ? 0 : backoff.next();
    logger.warn({ cause: gatewayDrains ? 'gateway_drained' : cause, retryInMs: Math.round(delayMs) }, `tunnel down: ${detail}`);
    options.onFailure(gatewayDrains ? 'gateway_drained' : cause);
    wait(delayMs);
  };

  const register = (): void => {
    const registration = options.registration();
    if (state.kind !== 'up' || registration === undefined) return;
    state.session.register(registration.revision, registration.targets);
    state.lanes.review();
  };

  void dialNow();
  return {
    isUp: () => state.kind === 'up' && registered,
    gatewayId: () => (state.kind === 'up' ? state.gatewayId : undefined),
    width: () => (state.kind === 'up' ? { lanes: 1 + state.lanes.count(), roundTripMs: state.lanes.roundTripMs() } : { lanes: 0, roundTripMs: undefined }),
    register,
    drain: async () => {
      const last = state;
      setState({ kind: 'stopped' });
      if (last.kind === 'up') await Promise.all([last.session.drain(), last.lanes.drain()]);
    },
  };
}

/** Credentials are read for every dial: a renewed certificate is used from the next tunnel on. `lane`: of the tunnel to that gateway. */
async function readAndDial(options: LinkOptions, signal: AbortSignal, lane?: string): ReturnType<typeof dial> {
  try {
    const credentials = await options.credentials();
    const as = lane === undefined ? { known: options.known() } : { known: [], lane };
    return await dial({ gateway: options.gateway, credentials, instance: options.instance, ...as, timeoutMs: options.dialTimeoutMs, signal });
  } catch (error) {
    return { ok: false, error: { cause: 'credentials', message: error instanceof Error ? error.message : String(error) } };
  }
}
