import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Push } from '../push/push.js';

/** `/push/<target>/…` of a tenant that ext_authz has let through. False: not this path. `ended` aborts when its caller would be let in no more. */
export function answerPush(push: Push, request: IncomingMessage, response: ServerResponse, ended: AbortSignal): boolean {
  const tenant = request.headers['x-scrapeway-tenant'];
  if (typeof tenant !== 'string' || request.url?.startsWith('/push/') !== true) return false;
  void push.handle(request, response, { tenant, ended });
  return true;
}
