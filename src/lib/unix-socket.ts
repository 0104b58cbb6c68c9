import { once } from 'node:events';
import { chmod, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { errnoOf } from './errno.js';

/**
 * Makes `server` listen on a Unix socket that only this user may use. A socket that nobody listens on any more, left by a
 * process that was killed, is removed first; one that somebody does listen on is an error.
 *
 * The mode is set after the socket was made, since worker threads cannot change the umask: its folder must be 0700.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  await removeStaleSocket(path);
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o600);
}

async function removeStaleSocket(path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return;
    if (code !== 'ECONNREFUSED') throw error;
    await unlink(path);
    return;
  } finally {
    socket.destroy();
  }
  throw new Error(`${path}: another process listens on this socket`);
}
