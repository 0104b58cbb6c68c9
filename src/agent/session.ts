/**
 * One live tunnel at the agent: HTTP/2 with the roles reversed. The agent dialled, and is the server; the hub opens the streams.
 */
import { constants, performServerHandshake } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../lib/clock.js';
import type { Target } from '../model/target.js';
import { startKeepAlive } from '../tunnel/keepalive.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import { createLineDecoder, encodeMessage, readHubLine } from '../tunnel/messages.js';
import type { HubMessage } from '../tunnel/messages.js';
import { CONTROL_AUTHORITY } from '../tunnel/streams.js';
import type { Dialled } from './dial.js';

export interface SessionOptions {
  readonly maxConcurrentStreams: number;
  readonly keepAlive: KeepAliveOptions;
  readonly clock: Clock;
  /** A scrape's stream with its header list, flat, names in lower case. */
  readonly onScrape: (stream: ServerHttp2Stream, headers: readonly string[]) => void;
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
/** For streams whose service does not read on; Node resets new ones above it. */
const MAX_SESSION_MIB = 64;
/** For the last bytes to leave and the peer to close, once the last scrape has ended. */
const CLOSE_GRACE_MS = 2000;
/** How often the count of received bytes is looked at: a silence is noticed at most a fifth of the interval late. */
const WATCHES_PER_INTERVAL = 5;

/** Takes over a dialled connection. */
export function startSession({ socket, head }: Dialled, options: SessionOptions): Session {
  if (head.length > 0) socket.unshift(head);
  const session = performServerHandshake(socket, {
    // our header blocks must not depend on a table: the hub decodes without one after SETTINGS (DESIGN §2.4)
    maxDeflateDynamicTableSize: 0,
    maxSessionMemory: MAX_SESSION_MIB,
    settings: { headerTableSize: 0, initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: options.maxConcurrentStreams, maxHeaderListSize: 64 * 1024 },
  });
  session.setLocalWindowSize(TUNNEL_WINDOW_BYTES);
  let control: ServerHttp2Stream | undefined;
  let end: { cause: SessionEnd; detail: string } = { cause: 'gateway_closed', detail: 'the gateway closed the tunnel' };
  let draining = false;
  let scrapes = 0;
  const giveUp = (cause: SessionEnd, detail: string): void => {
    end = { cause, detail };
    session.destroy();
    // a session that is closing already waits for the other end of the socket
    socket.destroy();
  };

  let cancelGrace: (() => void) | undefined;
  /** The control stream is the last to end: for the hub its end is the tunnel's. */
  const endIfDrained = (): void => {
    if (!draining || scrapes > 0) return;
    if (control !== undefined && !control.destroyed) control.end(() => control?.close(constants.NGHTTP2_NO_ERROR));
    // a peer that went away in this moment is not always noticed by a session that is closing
    cancelGrace ??= options.clock.after(CLOSE_GRACE_MS, () => socket.destroy());
  };
  /** A PING can wait behind a slow upload, whose WINDOW_UPDATEs node:http2 does not show: any byte is a sign of life. */
  let seenBytes = socket.bytesRead;
  let cancelWatch: () => void;
  const watchBytes = (): void => {
    if (socket.bytesRead !== seenBytes) keepAlive.received();
    seenBytes = socket.bytesRead;
    cancelWatch = options.clock.after(options.keepAlive.intervalMs / WATCHES_PER_INTERVAL, watchBytes);
  };

  const keepAlive = startKeepAlive(options.keepAlive, options.clock, {
    ping: () => void roundTrip(),
    dead: (silentMs) => giveUp('keepalive', `nothing came from the gateway for ${Math.round(silentMs)} ms`),
  });
  watchBytes();
  const roundTrip = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      if (session.destroyed) return resolve(undefined);
      session.ping((error, durationMs) => {
        if (error !== null) return resolve(undefined);
        keepAlive.received();
        keepAlive.measured(durationMs);
        resolve(durationMs);
      });
    });
  void roundTrip();
  session.on('ping', keepAlive.received);
  session.on('remoteSettings', keepAlive.received);
  session.on('error', (error) => {
    if (end.cause === 'gateway_closed') end = { cause: 'protocol', detail: error.message };
  });
  session.on('close', () => {
    keepAlive.stop();
    cancelWatch();
    cancelGrace?.();
    socket.destroy();
    options.onClose(draining ? 'drained' : end.cause, end.detail);
  });
  session.on('stream', (stream, headers, _flags, rawHeaders) => {
    keepAlive.received();
    if (headers[':authority'] !== CONTROL_AUTHORITY) {
      scrapes += 1;
      stream.once('close', () => {
        scrapes -= 1;
        endIfDrained();
      });
      return options.onScrape(stream, rawHeaders);
    }
    if (control !== undefined) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    control = stream;
    openControl(stream, options, keepAlive.received, (fault) => giveUp('protocol', fault));
    options.onControl();
  });

  return {
    register: (revision, targets) => {
      if (control !== undefined && !control.destroyed) control.write(encodeMessage({ type: 'targets', revision, targets }));
    },
    roundTrip,
    drain: async () => {
      draining = true;
      if (session.destroyed) return;
      const closed = new Promise<void>((resolve) => session.once('close', () => resolve()));
      // said on the control stream first: GOAWAY alone would race with scrapes that are on their way
      if (control !== undefined && !control.destroyed) control.write(encodeMessage({ type: 'draining' }));
      await turn();
      session.close();
      endIfDrained();
      await closed;
    },
    destroy: () => session.destroy(),
  };
}

function openControl(stream: ServerHttp2Stream, options: SessionOptions, received: () => void, broken: (fault: string) => void): void {
  const decoder = createLineDecoder();
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    received();
    const lines = decoder.push(chunk);
    if (!lines.ok) return broken(lines.error);
    for (const line of lines.value) {
      const message = readHubLine(line);
      if (!message.ok) return broken(message.error);
      if (message.value.type !== 'unknown') options.onMessage(message.value);
    }
  });
  stream.respond({ ':status': 200 });
}
