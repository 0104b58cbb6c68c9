/**
 * One live tunnel at the agent: HTTP/2 with the roles reversed. The agent dialled, and is the server; the hub opens the streams.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Connection, ErrorCode, errorName, fieldValue, SocketIo, STRICT_LIMITS } from '../h2/index.js';
import type { ConnectionHandler, ConnectionOptions } from '../h2/index.js';
import type { Clock } from '../lib/clock.js';
import type { Target } from '../model/target.js';
import { startKeepAlive } from '../tunnel/keepalive.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import { createLineDecoder, encodeMessage, readHubLine } from '../tunnel/messages.js';
import type { HubMessage } from '../tunnel/messages.js';
import { CONTROL_AUTHORITY } from '../tunnel/streams.js';
import type { Dialled } from './dial.js';
import { TunnelStream } from './tunnel-stream.js';
import type { Held } from './tunnel-stream.js';

export interface SessionOptions {
  readonly maxConcurrentStreams: number;
  readonly keepAlive: KeepAliveOptions;
  readonly clock: Clock;
  /** A scrape's stream with its header list, flat, names in lower case. */
  readonly onScrape: (stream: TunnelStream, headers: readonly string[]) => void;
  /** The control stream is open: now targets can be registered. */
  readonly onControl: () => void;
  readonly onMessage: (message: HubMessage) => void;
  /** The tunnel is gone, once, with a sentence for the log and a short cause for the metric. */
  readonly onClose: (cause: SessionEnd, detail: string) => void;
}

export type SessionEnd = 'gateway_closed' | 'keepalive' | 'protocol' | 'drained';

export interface Session {
  register(revision: number, targets: readonly Target[]): void;
  /** There and back of a PING, ms; undefined when the tunnel went before it came. */
  roundTrip(): Promise<number | undefined>;
  /** Tells the gateway to send nothing new; resolves when the last stream has ended and the tunnel is closed. */
  drain(): Promise<void>;
  destroy(): void;
}

/** Of a stream: requests to services have bodies. The window limits what a hostile gateway can make us hold. */
const WINDOW_BYTES = 256 * 1024;
/** Of the tunnel: what is on its way at once. What it counts is read at once, and a stream that is not has its own window. */
const TUNNEL_WINDOW_BYTES = 4 * 1024 * 1024;
const MAX_HEADER_LIST_BYTES = 64 * 1024;
/** For the last bytes to leave and the peer to close, once the last scrape has ended. */
const CLOSE_GRACE_MS = 2000;
/** PINGs under way; whoever asks for more is not answered. */
const MAX_PINGS = 10;

/** Takes over a dialled connection. */
export function startSession({ socket, head }: Dialled, options: SessionOptions): Session {
  if (head.length > 0) socket.unshift(head);
  const { clock } = options;
  const held: Held = { bytes: 0 };
  const pings: { readonly sentMs: number; readonly resolve: (roundTripMs: number | undefined) => void }[] = [];
  const closed = Promise.withResolvers<void>();
  let control: TunnelStream | undefined;
  let end: { cause: SessionEnd; detail: string } = { cause: 'gateway_closed', detail: 'the gateway closed the tunnel' };
  let draining = false;
  let scrapes = 0;
  const io = new SocketIo(socket);
  const giveUp = (cause: SessionEnd, detail: string): void => {
    end = { cause, detail };
    io.destroy();
  };

  let cancelGrace: (() => void) | undefined;
  /** The control stream is the last to end: for the hub its end is the tunnel's. */
  const endIfDrained = (): void => {
    if (!draining || scrapes > 0) return;
    if (control !== undefined && !control.destroyed) control.end(() => control?.close(ErrorCode.noError));
    // a peer that went away in this moment is not always noticed by a connection that is closing
    cancelGrace ??= clock.after(CLOSE_GRACE_MS, () => io.destroy());
  };
  const roundTrip = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      if (connection.closed || pings.length >= MAX_PINGS) return resolve(undefined);
      pings.push({ sentMs: clock.nowMs(), resolve });
      connection.ping();
    });
  const keepAlive = startKeepAlive(options.keepAlive, clock, {
    ping: () => void roundTrip(),
    dead: (silentMs) => giveUp('keepalive', `nothing came from the gateway for ${Math.round(silentMs)} ms`),
  });

  const handler: ConnectionHandler<TunnelStream> = {
    onHeaders: (stream, fields, endStream) => {
      const opened = new TunnelStream(connection, stream, held, endStream);
      stream.context = opened;
      if (fieldValue(fields, ':authority') === CONTROL_AUTHORITY) return beginControl(opened);
      scrapes += 1;
      opened.once('close', () => {
        scrapes -= 1;
        endIfDrained();
      });
      options.onScrape(opened, fields);
    },
    onData: ({ context }, bytes, start, stop, endStream) => context?.received(bytes, start, stop, endStream),
    onTrailers: ({ context }) => context?.received(NOTHING, 0, 0, true),
    onAbort: ({ context }, { code }) => context?.abandoned(code),
    onReleased: ({ context }, bytes) => context?.released(bytes),
    onPong: () => {
      const ping = pings.shift();
      if (ping === undefined) return;
      const roundTripMs = clock.nowMs() - ping.sentMs;
      keepAlive.measured(roundTripMs);
      ping.resolve(roundTripMs);
    },
    onGoaway: (code) => {
      if (code !== ErrorCode.noError) end = { cause: 'protocol', detail: `the gateway says ${errorName(code)}` };
    },
    onClose: ({ by, code, detail }) => {
      if (by === 'us' && code !== ErrorCode.noError) end = { cause: 'protocol', detail };
      for (const { resolve } of pings.splice(0)) resolve(undefined);
      keepAlive.stop();
    },
  };
  const connection = new Connection(io, connectionOptions(options), handler);
  const beginControl = (stream: TunnelStream): void => {
    if (control !== undefined) return stream.close(ErrorCode.refusedStream);
    control = stream;
    openControl(stream, options, (fault) => giveUp('protocol', fault));
    options.onControl();
  };
  io.attach({
    // any byte is a sign of life, WINDOW_UPDATEs too: a PING can wait behind a slow upload
    onBytes: (bytes, start, stop) => {
      keepAlive.received();
      connection.onBytes(bytes, start, stop);
    },
    onDrain: () => connection.onDrain(),
    // not when the connection closes: its last words must have left
    onClose: (error) => {
      connection.onClose(error);
      cancelGrace?.();
      closed.resolve();
      options.onClose(draining ? 'drained' : end.cause, end.detail);
    },
  });
  connection.start();
  void roundTrip();

  return {
    register: (revision, targets) => {
      if (control !== undefined && !control.destroyed) control.write(encodeMessage({ type: 'targets', revision, targets }));
    },
    roundTrip,
    drain: async () => {
      draining = true;
      if (connection.closed) return;
      // said on the control stream first: GOAWAY alone would race with scrapes that are on their way
      if (control !== undefined && !control.destroyed) control.write(encodeMessage({ type: 'draining' }));
      await turn();
      connection.shutdown();
      endIfDrained();
      await closed.promise;
    },
    destroy: () => io.destroy(),
  };
}

const NOTHING = Buffer.alloc(0);

function connectionOptions({ maxConcurrentStreams, clock }: SessionOptions): ConnectionOptions {
  return {
    role: 'server',
    // our header blocks must not depend on a table: the hub decodes without one after SETTINGS (DESIGN §2.4)
    settings: { maxConcurrentStreams, initialWindowBytes: WINDOW_BYTES, maxHeaderListBytes: MAX_HEADER_LIST_BYTES, headerTableBytes: 0 },
    connectionWindowBytes: TUNNEL_WINDOW_BYTES,
    limits: STRICT_LIMITS,
    flow: 'manual',
    nowMs: () => clock.nowMs(),
  };
}

function openControl(stream: TunnelStream, options: SessionOptions, broken: (fault: string) => void): void {
  const decoder = createLineDecoder();
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    const lines = decoder.push(chunk);
    if (!lines.ok) return broken(lines.error);
    for (const line of lines.value) {
      const message = readHubLine(line);
      if (!message.ok) return broken(message.error);
      if (message.value.type !== 'unknown') options.onMessage(message.value);
    }
  });
  stream.respond({ ':status': '200' });
}
