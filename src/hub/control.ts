import { encodeBlock, ErrorCode, LeakyBucket } from '../h2/index.js';
import type { Abort, Connection, FieldList, FloodLimit, Stream } from '../h2/index.js';
import { fieldValue } from '../h2/index.js';
import type { Registration } from '../model/target.js';
import { createLineDecoder, encodeMessage, readAgentLine } from '../tunnel/messages.js';
import type { AgentLine, HubMessage } from '../tunnel/messages.js';
import { CONTROL_AUTHORITY, CONTROL_PATH } from '../tunnel/streams.js';
import { validateTargets } from '../tunnel/targets.js';
import type { TunnelStreamUser } from './stream-user.js';

/**
 * The control stream: the first stream of every tunnel, open both ways for its whole life, a JSON message a line.
 * What is wrong with a target is told to the agent; what is wrong with the stream itself ends the tunnel.
 */

const HEAD = encodeBlock([':method', 'POST', ':scheme', 'http', ':authority', CONTROL_AUTHORITY, ':path', CONTROL_PATH]);

/** Lines of one agent: a registration costs every thread of the gateway, so they are few. */
const LINE_LIMIT: FloodLimit = { burst: 100, perSecond: 1 };
/** Answers that wait for the agent's window; above, it does not read them. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export interface ControlEvents {
  onRegistration(registration: Registration): void;
  /** The agent is stopping. */
  onDraining(): void;
  /** The stream is over or was abused: the tunnel is of no use any more. */
  onBroken(detail: string): void;
}

export class Control implements TunnelStreamUser {
  readonly #agent: string;
  readonly #connection: Connection<TunnelStreamUser>;
  readonly #events: ControlEvents;
  readonly #maxTargets: () => number;
  readonly #lines = createLineDecoder();
  readonly #budget: LeakyBucket;
  #stream: Stream<TunnelStreamUser> | undefined;
  #revision = -1;

  /** `maxTargets` is asked at each registration: the config may change. */
  constructor(agent: string, connection: Connection<TunnelStreamUser>, maxTargets: () => number, events: ControlEvents) {
    this.#agent = agent;
    this.#connection = connection;
    this.#maxTargets = maxTargets;
    this.#events = events;
    this.#budget = new LeakyBucket(LINE_LIMIT, connection.options.nowMs);
  }

  open(): void {
    this.#stream = this.#connection.openStream(HEAD, { endStream: false, head: false }, this);
    if (this.#stream === undefined) this.#events.onBroken('the agent takes no stream at all');
  }

  send(message: HubMessage): void {
    if (this.#stream === undefined) return;
    const line = encodeMessage(message);
    this.#connection.sendData(this.#stream, line, 0, line.length, false);
    if (this.#stream.queuedBytes > MAX_UNREAD_BYTES) this.#broken('the agent does not read what it is told');
  }

  onHead(fields: FieldList): void {
    const status = fieldValue(fields, ':status');
    if (status !== '200') this.#broken(`the control stream was answered with ${status ?? 'nothing'}`);
  }

  onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const lines = this.#lines.push(bytes.subarray(start, end));
    if (!lines.ok) return this.#broken(lines.error);
    for (const text of lines.value) {
      if (!this.#budget.admit()) return this.#broken('too many: messages of the agent');
      const line = readAgentLine(text);
      if (!line.ok) return this.#broken(line.error);
      this.#act(line.value);
    }
    if (this.#stream === undefined) return;
    this.#connection.creditConnection(end - start);
    if (endStream) return this.#broken('the agent ended the control stream');
    this.#connection.grantStream(this.#stream, end - start);
  }

  #act(line: AgentLine): void {
    switch (line.type) {
      case 'targets':
        return this.#register(line.revision, line.targets);
      case 'draining':
        return this.#events.onDraining();
      case 'unknown':
        return;
    }
  }

  #register(revision: number, input: unknown): void {
    if (revision <= this.#revision) {
      const fault = { place: 'revision', message: `${revision} is not above ${this.#revision}, which is already registered` };
      return this.send({ type: 'registered', revision, accepted: 0, faults: [fault] });
    }
    const { accepted, faults } = validateTargets(input, { maxTargets: this.#maxTargets() });
    if (accepted.length === 0 && faults.length > 0) {
      // Nothing of it was sound: the last good list stays.
      return this.send({ type: 'registered', revision, accepted: 0, faults });
    }
    this.#revision = revision;
    this.#events.onRegistration({ agent: this.#agent, revision, targets: accepted });
    this.send({ type: 'registered', revision, accepted: accepted.length, faults });
  }

  onTrailers(): void {
    this.#broken('the agent ended the control stream');
  }

  onAbort(abort: Abort): void {
    this.#stream = undefined;
    if (abort.by !== 'connection') this.#events.onBroken(`the control stream was reset: ${abort.detail}`);
  }

  onInterim(): void {}
  onWindow(): void {}
  onReleased(): void {}

  #broken(detail: string): void {
    if (this.#stream !== undefined) this.#connection.reset(this.#stream, ErrorCode.protocolError);
    this.#stream = undefined;
    this.#events.onBroken(detail);
  }
}
