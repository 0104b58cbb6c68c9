import { once } from 'node:events';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';

/** Writes bytes as they are to a TLS server and reads until it closes, or says nothing for a while. What came, as latin1. */
export async function exchangeRaw(options: ConnectionOptions, bytes: string, quietMs = 1500): Promise<string> {
  const socket = connect({ ...options, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => undefined);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    // A client that waits for one answer need not wait for the server to close.
    if (isWhole(received)) socket.end();
  });
  socket.setTimeout(quietMs, () => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(Buffer.from(bytes, 'latin1'));
  if (!socket.destroyed) await once(socket, 'close');
  return received;
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /^content-length: (\d+)$/im.exec(received.slice(0, headEnd))?.[1];
  return length !== undefined && received.length >= headEnd + 4 + Number(length);
}
