import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { portOf } from './ports.js';

/** A plain reverse proxy that keeps what was asked through it: what reaches a server, told by somebody other than whom a test is about. */

export interface RecordedRequest {
  readonly method: string;
  /** As on the wire: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RecordingProxy extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** All that was asked since this was called last, the oldest first. */
  take(): readonly RecordedRequest[];
}

export async function startRecordingProxy(upstream: string): Promise<RecordingProxy> {
  let recorded: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bytesOf(request);
      const { method = '', url = '', headers } = request;
      recorded.push({ method, url, headers, body });
      const onward = httpRequest(`${upstream}`, { method, path: url, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      response.on('close', () => onward.destroy());
      onward.end(body);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    take: () => {
      const taken = recorded;
      recorded = [];
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
