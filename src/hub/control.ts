import { encodeBlock, ErrorCode } from '../h2/index.js';
import type { Abort, Connection, FieldList, Stream } from '../h2/index.js';
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
  #stream: Stream<TunnelStreamUser> | undefined;
  #revision = -1;

  /** `maxTargets` is asked at each registration: the config may change. */
  constructor(agent: string, connection: Connection<TunnelStreamUser>, maxTargets: () => number, events: ControlEvents) {
    this.#agent = agent;
    this.#connection = connection;
    this.#maxTargets = maxTargets;
    this.#events = events;
  }

  open(): void {
    this.#stream = this.#connection.openStream(HEAD, { endStream: false, head: false }, this);
    if (this.#stream === undefined) this.#events.onBroken('the agent takes no stream at all');
  }

  send(message: HubMessage): void {
    if (this.#stream === undefined) return;
    const line = encodeMessage(message);
    this.#connection.sendData(this.#stream, line, 0, line.length, false);
  }

  onHead(fields: FieldList): void {
    const status = fieldValue(fields, ':status');
    if (status !== '200') this.#broken(`the control stream was answered with ${status ?? 'nothing'}`);
  }

  onBody(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const lines = this.#lines.push(bytes.subarray(start, end));
    if (!lines.ok) return this.#broken(lines.error);
    for (const text of lines.value) {
      const line = readAgentLine(text);
      if (!line.ok) return this.#broken(line.error);
      this.#act(line.value);
    }
    this.#connection.creditConnection(end - start);
    if (endStream) return this.#broken('the agent ended the control stream');
    if (this.#stream !== undefined) this.#connection.grantStream(this.#stream, end - start);
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
