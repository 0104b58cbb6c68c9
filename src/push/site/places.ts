import type { Socket } from 'node:net';

/**
 * Places for connections. When all are taken, a newcomer takes the place of whoever has asked for nothing longest: connections that are
 * opened and left, or whose heads come byte by byte, keep nobody out. What is being answered keeps its place.
 */
export class Places {
  private readonly open = new Set<Socket>();
  /** Asking for nothing just now, the longest first. By their other end, since a TLS connection is another object than what carries it. */
  private readonly waiting = new Map<string, Socket>();

  constructor(
    private readonly max: number,
    private readonly onDropped: () => void,
  ) {}

  /** A connection as TCP has it. */
  enter(socket: Socket): void {
    if (this.open.size >= this.max) {
      const [longest] = this.waiting;
      this.onDropped();
      if (longest === undefined) {
        socket.destroy();
        return;
      }
      this.leave(longest[1], longest[0]);
      longest[1].destroy();
    }
    this.open.add(socket);
    const end = otherEnd(socket);
    this.waiting.set(end, socket);
    socket.once('close', () => this.leave(socket, end));
  }

  /** A request has come on it, plain or by TLS. The function is called when it has been answered. */
  ask(socket: Socket): () => void {
    const end = otherEnd(socket);
    const carrier = this.waiting.get(end);
    this.waiting.delete(end);
    return () => {
      if (carrier !== undefined && this.open.has(carrier)) this.waiting.set(end, carrier);
    };
  }

  /** All connections, those that are in the midst of a handshake too: an HTTP server knows nothing of them. */
  clear(): void {
    for (const socket of this.open) socket.destroy();
  }

  private leave(socket: Socket, end: string): void {
    this.open.delete(socket);
    if (this.waiting.get(end) === socket) this.waiting.delete(end);
  }
}

function otherEnd({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
