import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { portOf } from './ports.js';

/**
 * A TCP connection that a test can spoil: stands between two ends that know nothing of it.
 *
 * A dropped network is silence, not an error: bytes stop arriving and neither end is told. So `silence` stops reading from
 * both ends of every connection, new ones too, and passes on neither their data nor their end.
 */

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that are open now. */
  connectionCount(): number;
  /** From now on nothing arrives anywhere. */
  silence(): void;
  /** Everything that was held back goes on. */
  resume(): void;
  /** Each piece arrives `ms` later, in both directions. */
  delay(ms: number): void;
  /** Resets every open connection at both ends. */
  cut(): void;
  /** Resets every open connection at the side of `to`; the client is told nothing. */
  halfOpen(): void;
  close(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

export async function startFaultProxy(to: { readonly host?: string; readonly port: number }): Promise<FaultProxy> {
  const links = new Set<Link>();
  const state = { silent: false, delayMs: 0 };

  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const link: Link = { client, server: connect({ host: to.host ?? '127.0.0.1', port: to.port, allowHalfOpen: true }) };
    links.add(link);
    pipe(link.client, link.server, state);
    pipe(link.server, link.client, state);
    for (const socket of [link.client, link.server]) {
      socket.setNoDelay(true);
      socket.on('close', () => {
        if (link.client.destroyed && link.server.destroyed) links.delete(link);
      });
      if (state.silent) socket.pause();
      else socket.resume();
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const sockets = (): readonly Socket[] => [...links].flatMap(({ client, server }) => [client, server]);
  async function close(): Promise<void> {
    if (!listener.listening) return;
    const closed = once(listener, 'close');
    listener.close();
    for (const socket of sockets()) socket.destroy();
    await closed;
  }
  return {
    port: portOf(listener),
    connectionCount: () => links.size,
    silence: () => {
      state.silent = true;
      for (const socket of sockets()) socket.pause();
    },
    resume: () => {
      state.silent = false;
      for (const socket of sockets()) socket.resume();
    },
    delay: (ms) => {
      state.delayMs = ms;
    },
    cut: () => {
      for (const socket of sockets()) socket.resetAndDestroy();
    },
    halfOpen: () => {
      for (const { server } of links) server.resetAndDestroy();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Passes on data, end and reset of `from`, each after the delay of the moment. */
function pipe(from: Socket, to: Socket, state: { readonly silent: boolean; readonly delayMs: number }): void {
  const pass = (act: () => void): void => {
    if (state.delayMs > 0) setTimeout(act, state.delayMs);
    else act();
  };
  from.on('data', (bytes) => pass(() => {
    if (to.writable && !to.write(bytes)) from.pause();
  }));
  to.on('drain', () => {
    if (!state.silent) from.resume();
  });
  from.on('end', () => pass(() => to.end()));
  from.on('error', () => {
    if (!state.silent) to.resetAndDestroy();
  });
}
