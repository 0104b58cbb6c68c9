import { fieldValue } from '../h2/index.js';
import type { ConnectionOptions, FieldList, SocketIo, Stream } from '../h2/index.js';
import { AGENT_HEADER } from '../tunnel/handshake.js';
import { LAST_HEADER, SERVICE_HEADER, serviceAuthority } from '../tunnel/services.js';
import { TIMEOUT_HEADER } from '../tunnel/streams.js';
import { EnvoySide } from './envoy-side.js';
import type { EnvoySideEvents } from './envoy-side.js';
import type { ScrapeRequest } from './headers.js';
import { Scrape } from './scrape.js';
import type { Outcome } from './metrics.js';
import type { ClientStreamUser } from './stream-user.js';
import type { SwitchContext } from './switched.js';

/**
 * A connection of the gateway's own clients: what it asks for are services behind agents (tunnel/services.ts), and nothing else. Once
 * it is known what is meant, a service is switched as a scrape is, request body included.
 */
export class ServiceSide extends EnvoySide {
  readonly #membersOf: (name: string) => readonly string[] | undefined;

  /** `membersOf`: of a site; undefined where the name is an agent's. */
  constructor(io: SocketIo, options: ConnectionOptions, context: SwitchContext, events: EnvoySideEvents, membersOf: (name: string) => readonly string[] | undefined) {
    super(io, options, context, events);
    this.#membersOf = membersOf;
  }

  protected override read(fields: FieldList): ScrapeRequest | undefined {
    const method = fieldValue(fields, ':method');
    const path = fieldValue(fields, ':path');
    const agent = fieldValue(fields, AGENT_HEADER);
    const service = fieldValue(fields, SERVICE_HEADER);
    if (!method || method === 'CONNECT' || !path?.startsWith('/') || !agent || !service) return undefined;
    const members = this.#membersOf(agent);
    const last = new Set(fieldValue(fields, LAST_HEADER)?.split(' '));
    const timeoutMs = Number(fieldValue(fields, TIMEOUT_HEADER));
    return {
      agent,
      members: (members ?? [agent]).toSorted((a, b) => Number(last.has(a)) - Number(last.has(b))),
      atSite: members !== undefined,
      hedge: undefined,
      target: serviceAuthority(service),
      path,
      method,
      timeoutMs: timeoutMs > 0 && Number.isFinite(timeoutMs) ? timeoutMs : undefined,
      party: GATEWAY,
      maxScrapes: Infinity,
      maxBytes: Infinity,
    };
  }

  protected override begin(stream: Stream<ClientStreamUser>, request: ScrapeRequest, fields: FieldList, timeoutMs: number): void {
    new ServiceCall(this.context, this.connection, stream, request, fields, timeoutMs).start();
  }
}

/** Who asks: no tenant can have this name, and nobody's credentials are in it. */
const GATEWAY = { tenant: '', credentials: '', serial: undefined };

class ServiceCall extends Scrape {
  /** There are no credentials that could be revoked; an agent's tunnels are cut, and what is under way with them. */
  override recheck(): void {}

  protected override record(outcome: Outcome): void {
    this.context.metrics.countService(outcome);
  }
}
