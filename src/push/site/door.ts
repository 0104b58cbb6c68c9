import type { IncomingMessage, ServerResponse } from 'node:http';
import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { createPasswordChecker } from '../../credentials/password.js';
import type { PasswordChecker } from '../../credentials/password.js';
import { systemClock } from '../../lib/clock.js';
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import { REASONS } from '../../model/reasons.js';
import type { Reason } from '../../model/reasons.js';
import type { SitePush } from '../../model/site-push.js';
import { refusal, send } from '../answer.js';
import { createPush } from '../push.js';
import { compileSiteCredentials, whoPushes } from './identity.js';
import type { SiteCredentials } from './identity.js';
import { SiteListener } from './listener.js';
import { doorPath } from './path.js';
import { shownBy } from './peer.js';

/**
 * The push door at a site's agent. What is behind it is the gateway's push door, unchanged (push.ts); what Envoy and ext_authz do in front of
 * that one, a listener and a table of credentials do here. Nothing of it needs the gateway.
 */
export interface SiteDoor {
  /** From now on; undefined: closed. Pushes under way end as they began. */
  configure(settings: SitePush | undefined): void;
  /** Undefined while it does not listen. */
  readonly port: () => number | undefined;
  /** Takes nothing any more, answers what is under way, and closes everything. */
  drain(): Promise<void>;
}

export interface SiteDoorOptions {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly clock?: Clock;
  /** Default: bcrypt. */
  readonly passwords?: PasswordChecker;
  /** When it begins or ceases to listen. */
  readonly onListening?: (listening: boolean) => void;
  /** Default: 10 s. */
  readonly headTimeoutMs?: number;
}

/** As on the gateway's doors (authz/wire.ts). */
const CHALLENGE = 'Basic realm="scrapeway", Bearer realm="scrapeway"';
/** One at a time: an agent is small, and a stranger who guesses must not have all of it. */
const PASSWORDS_AT_A_TIME = 1;

const MAX_LOGGED_CHARS = 300;

interface Live {
  readonly settings: SitePush;
  readonly credentials: SiteCredentials;
}

export function createSiteDoor(options: SiteDoorOptions): SiteDoor {
  const { logger, registry, clock = systemClock, passwords = createPasswordChecker({ maxRunning: PASSWORDS_AT_A_TIME }), onListening = () => {}, headTimeoutMs } = options;
  const push = createPush({ config: { targets: [], tenants: new Map() }, logger, registry, clock });
  let live: Live | undefined;
  let isDraining = false;
  const listener = new SiteListener({
    answer: (request, response, onward) => {
      answer(request, response, onward).catch((error: unknown) => {
        logger.error({ err: error }, 'a push failed');
        send(request, response, refusal('push_error'));
      });
    },
    onDropped: () => metrics.dropped.inc(),
    onListening,
    logger,
    clock,
    ...(headTimeoutMs !== undefined && { headTimeoutMs }),
  });
  const metrics = createMetrics(registry, () => live !== undefined && !isDraining && listener.port === undefined);

  /** What was checked while the table changed may be revoked: from the start. */
  async function identify(request: IncomingMessage): Promise<{ readonly tenant: string; readonly asked: Live } | Reason> {
    const asked = live;
    if (asked === undefined) return 'agent_draining';
    const who = await whoPushes(asked.credentials, passwords, shownBy(request), Date.now());
    if (asked !== live) return identify(request);
    return typeof who === 'string' ? who : { tenant: who.tenant, asked };
  }

  async function answer(request: IncomingMessage, response: ServerResponse, onward: () => void): Promise<void> {
    const who = await identify(request);
    response.once('close', () => {
      const told = { from: request.socket.remoteAddress, method: request.method, path: request.url?.slice(0, MAX_LOGGED_CHARS), status: response.statusCode };
      logger.debug({ ...told, ...(typeof who === 'string' ? { reason: who } : { tenant: who.tenant }) }, 'push');
    });
    if (typeof who === 'string') return refuse(request, response, who);
    const { tenant, asked } = who;
    const names = asked.settings.tenants.find(({ name }) => name === tenant)?.targets ?? [];
    const targets = asked.settings.targets.filter(({ name }) => names.includes(name));
    onward();
    await push.handle(request, response, { tenant, path: doorPath(request.url ?? '', targets) });
  }

  /** Whoever is nobody has no connection to keep. */
  function refuse(request: IncomingMessage, response: ServerResponse, reason: Reason): void {
    metrics.refusals.inc({ reason });
    const challenge = REASONS[reason].status === 401 ? { 'www-authenticate': CHALLENGE } : {};
    send(request, response, refusal(reason, '', { ...challenge, connection: 'close' }));
  }

  return {
    configure: (settings) => {
      live = settings && { settings, credentials: compileSiteCredentials(settings.tenants) };
      push.configure({ targets: settings?.targets ?? [], tenants: new Map<string, readonly string[]>(settings?.tenants.map(({ name, targets }) => [name, targets])), ...(settings && { limits: settings.limits }) });
      listener.use(settings && { listen: settings.listen, tls: settings.tls, maxConnections: settings.limits.maxConnections });
    },
    port: () => listener.port,
    drain: async () => {
      isDraining = true;
      await listener.close();
      await push.close();
    },
  };
}

interface SiteMetrics {
  readonly refusals: Counter<'reason'>;
  readonly dropped: Counter;
}

function createMetrics(registry: Registry, isDown: () => boolean): SiteMetrics {
  const registers = [registry];
  const down: Gauge = new Gauge({
    name: 'scrapeway_agent_push_down',
    help: '1 while the push door of this agent is configured and does not listen.',
    registers,
    collect: () => {
      down.set(isDown() ? 1 : 0);
    },
  });
  return {
    refusals: new Counter({ name: 'scrapeway_agent_push_refusals_total', help: 'Pushes at this agent that were refused before it was known whose they are, by reason.', labelNames: ['reason'], registers }),
    dropped: new Counter({ name: 'scrapeway_agent_push_dropped_connections_total', help: 'Connections to the push door of this agent that were closed because others came, and all places were taken.', registers }),
  };
}
