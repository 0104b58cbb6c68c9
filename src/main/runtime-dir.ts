import { chmodSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

/**
 * The folder of the sockets between Envoy and us. Who may enter it owns the gateway: 0700. Two gateways in one folder would
 * take each other's sockets away, so a second one does not start.
 */

/** Makes the folder; resolves with what forbids to use it, or undefined. */
export async function claimRuntimeDir(dir: string): Promise<string | undefined> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
  } catch (error) {
    return `runtimeDir ${dir} cannot be made ours: ${error instanceof Error ? error.message : String(error)}`;
  }
  return (await answers(join(dir, 'xds.sock'))) ? `another gateway runs on the sockets in ${dir}; stop it, or give this one a runtimeDir of its own` : undefined;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
