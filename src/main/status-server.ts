/**
 * `/healthz`, `/readyz`, `/metrics` of a process: the only thing of the sidecar that listens on the network (DESIGN §1).
 *
 * Live and ready differ: live = the event loop answers, restart me if not; ready = send me work, do not restart me if not.
 */
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import { once } from 'node:events';

export interface StatusServerOptions {
  readonly host: string;
  readonly port: number;
  /** Reasons why no work should come now; empty = ready. */
  readonly notReady: () => readonly string[];
  /** What one who asks should know although it keeps no work away. */
  readonly notes?: () => readonly string[];
  /** The exposition and its content type. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface StatusServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens; rejects when the address cannot be had. */
export async function startStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 75_000 }, (request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(response, 405, 'only GET and HEAD\n');
    if (path === '/healthz') return text(response, 200, 'ok\n');
    if (path === '/readyz') return ready(response, options.notReady(), options.notes?.() ?? []);
    if (path === '/metrics') return void metrics(response, options);
    return text(response, 404, 'try /healthz, /readyz or /metrics\n');
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the status server has no port');
  return {
    port: address.port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function ready(response: ServerResponse, reasons: readonly string[], notes: readonly string[]): void {
  const listed = (lines: readonly string[]): string => lines.map((line) => `- ${line}\n`).join('');
  text(response, reasons.length === 0 ? 200 : 503, reasons.length === 0 ? `ready\n${listed(notes)}` : `not ready:\n${listed([...reasons, ...notes])}`);
}

async function metrics(response: ServerResponse, options: StatusServerOptions): Promise<void> {
  try {
    const { contentType, body } = await options.metrics();
    response.writeHead(200, { 'content-type': contentType }).end(body);
  } catch (error) {
    text(response, 500, `metrics cannot be collected: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
}
