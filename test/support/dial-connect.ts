import type { IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { HttpRequest } from './http.js';

/** One CONNECT over HTTP/1.1, as Prometheus and curl do it. */

export interface DialledConnect {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What is behind the answer's head. The caller ends it. */
  readonly socket: Socket;
}

export interface ConnectRequest {
  readonly port: number;
  /** `host:port` of the target. */
  readonly authority: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: HttpRequest['tls'] | undefined;
}

export function dialConnect({ port, authority, headers, tls }: ConnectRequest): Promise<DialledConnect> {
  const request = httpsRequest({ host: 'localhost', port, method: 'CONNECT', path: authority, headers: { host: authority, ...headers }, agent: false, ...tls });
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('connect', (answer, socket, head) => {
      socket.on('error', () => undefined);
      if (head.length > 0) socket.unshift(head);
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, socket });
    });
    request.end();
  });
}
