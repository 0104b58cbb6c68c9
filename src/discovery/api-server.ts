import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Logger } from '../lib/logger.js';
import { refusal } from './answer.js';
import type { Answer, SdQuestion } from './answer.js';

/** Stamped by ext_authz, and by nothing else (DESIGN §2.2). */
const TENANT_HEADER = 'x-scrapeway-tenant';
const CREDENTIAL_HEADER = 'x-scrapeway-credential';

/** The control thread's HTTP server behind Envoy, on a Unix socket: questions that ext_authz has let pass. */
export interface ApiServerOptions {
  readonly socketPath: string;
  readonly answer: (question: SdQuestion) => Answer;
  /** Other paths than `/sd`; false: nobody knows this one. */
  readonly others?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly logger: Logger;
}

export interface ApiServer {
  close(): Promise<void>;
}

/** Listens; a socket file that is left from before is replaced. */
export async function startApiServer({ socketPath, answer, others, logger }: ApiServerOptions): Promise<ApiServer> {
  await rm(socketPath, { force: true });
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 120_000 }, (request, response) => {
    try {
      if (others?.(request, response) !== true) send(response, answer(questionOf(request)));
    } catch (error) {
      logger.error({ err: error, url: request.url }, 'http_sd failed');
      send(response, refusal('api_error'));
    }
  });
  server.listen(socketPath);
  await once(server, 'listening');
  await chmod(socketPath, 0o600);
  return {
    close: async () => {
      server.close();
      server.closeAllConnections();
      await rm(socketPath, { force: true });
    },
  };
}

function questionOf(request: IncomingMessage): SdQuestion {
  const tenant = request.headers[TENANT_HEADER];
  const credentials = request.headers[CREDENTIAL_HEADER];
  return { tenant: typeof tenant === 'string' ? tenant : undefined, credentials: typeof credentials === 'string' ? credentials : '', authority: request.headers.host ?? '', url: request.url ?? '/' };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}
