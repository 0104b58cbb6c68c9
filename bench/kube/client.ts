import { Agent, request } from 'node:https';
import type { RequestOptions } from 'node:https';

/** Requests over connections that stay: what is measured is not a handshake for each of thousands. */
export interface Client extends AsyncDisposable {
  /** Status and body; rejects where there is no answer in time. */
  send(url: string, options?: ClientRequest): Promise<{ readonly status: number; readonly body: string }>;
}

export interface ClientRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const TIMEOUT_MS = 30_000;

export function createClient(tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername'>, connections: number): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections, ...tls });
  return {
    send: (url, { method = 'GET', headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const sent = request(url, { agent, method, headers, timeout: TIMEOUT_MS }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
        });
        sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
        sent.on('error', reject);
        sent.end(body);
      }),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
    },
  };
}
