/**
 * One process at a time, between processes of one machine.
 *
 * The one idea: the lock is a listening socket in Linux's abstract namespace. Whoever holds it listens; whoever waits is
 * connected to it and sees the connection end, however the holder ends. No file is left, so no lock is ever stale.
 */
import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { SetupError } from './run.mjs';

/** The set-up's longest step is bounded below this. */
const LONGEST_WAIT_MS = 40 * 60_000;
const RETRY_MS = 50;

const address = (name) => `\0scrapeway-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;

/** The server that is the lock, `undefined` if somebody else holds it. */
function tryAcquire(path) {
  return new Promise((resolve, reject) => {
    const waiting = new Set();
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on('error', () => {}).on('close', () => waiting.delete(socket));
    });
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => {
      server.unref();
      resolve(() => {
        server.close();
        for (const socket of waiting) socket.destroy();
      });
    });
  });
}

/** Resolves when the present holder has ended or let go. */
function holderGone(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('error', () => {}).on('close', () => setTimeout(resolve, RETRY_MS));
    socket.setTimeout(LONGEST_WAIT_MS, () => socket.destroy());
    socket.resume();
  });
}

/**
 * Runs `work` while holding the lock `name`; `onWait` is called once if another process holds it.
 * Without abstract sockets (not Linux) there is no lock: installs are atomic all the same, only work may be done twice.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait]
 */
export async function withLock(name, work, onWait) {
  if (process.platform !== 'linux') return work();
  const path = address(name);
  const startedAt = performance.now();
  let release = await tryAcquire(path);
  if (!release) onWait?.();
  while (!release) {
    if (performance.now() - startedAt > LONGEST_WAIT_MS) throw new SetupError(`another set-up has held the lock on ${name} for too long`);
    await holderGone(path);
    release = await tryAcquire(path);
  }
  try {
    return await work();
  } finally {
    release();
  }
}
