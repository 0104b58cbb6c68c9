import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Exports } from './exports.js';

/** `/collected-metrics` of a tenant that ext_authz has let through: what its own exports have collected last. */

const PATH = '/collected-metrics';

/** False: not this path. */
export function answerCollected(exports: Exports, request: IncomingMessage, response: ServerResponse): boolean {
  const tenant = request.headers['x-scrapeway-tenant'];
  if (typeof tenant !== 'string' || request.url?.split('?')[0] !== PATH) return false;
  void answer(exports, response, tenant);
  return true;
}

async function answer(exports: Exports, response: ServerResponse, tenant: string): Promise<void> {
  const text = await exports.view(tenant);
  if (response.destroyed) return;
  if (text === undefined) response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '5' }).end('scrapeway: the thread of exports does not answer\n');
  else response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
}
