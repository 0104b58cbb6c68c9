import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { jsonOf } from './backend-error.js';
import type { Form } from './form.js';
import type { Limits } from './limits.js';
import { JSON_TYPE, refuse } from './refusal.js';
import type { Refusal } from './refusal.js';
import { bodyKind, FORM_TYPE, formOf, isAllowed } from './route.js';
import type { Route } from './route.js';

/** Bodies, never more of them than may be. */

/** Parameters, and the body of an endpoint that takes JSON. */
export interface Asked {
  readonly form: Form;
  readonly json: unknown;
}

/** The answer is larger than the tenant's may be. */
export class TooLarge extends Error {}

/** A character of the query can take so many bytes in a form. */
const BYTES_PER_CHAR = 9;
/** For selectors, times and the like. */
const MAX_OTHER_BYTES = 64 * 1024;

/** What a request for this route asks, if it may be asked in this way. */
export async function readRequest(request: IncomingMessage, { endpoint, query }: Route, limits: Limits): Promise<Result<Asked, Refusal>> {
  if (endpoint === undefined) return refuse('query_no_endpoint');
  const { method, headers } = request;
  if (!isAllowed(endpoint, method)) return refuse('query_method');
  const kind = bodyKind(method, headers, endpoint.takesJson === true ? JSON_TYPE : FORM_TYPE);
  if (!kind.ok) return kind;
  const maxBytes = limits.maxQueryChars * BYTES_PER_CHAR + MAX_OTHER_BYTES;
  const body = kind.value === 'none' ? Buffer.alloc(0) : await readAtMost(request, maxBytes);
  if (body === undefined) return refuse('query_over_limit', `a body of more than ${maxBytes} bytes`);
  const isJson = endpoint.takesJson === true;
  const form = formOf(isJson ? Buffer.alloc(0) : body, query);
  if (!form.ok) return form;
  const json = isJson ? jsonOf(body.toString('utf8')) : undefined;
  return isJson && json === undefined ? refuse('query_malformed', 'the body is no JSON') : ok({ form: form.value, json });
}

/** Rejects with TooLarge, and gives the stream up, where there is more. */
export async function readAll(body: Readable, maxBytes: number): Promise<string> {
  const read = await readAtMost(body, maxBytes);
  if (read === undefined) {
    body.destroy();
    throw new TooLarge();
  }
  return read.toString('utf8');
}

/** Undefined where there is more, which is left unread: a request can still be answered then. */
async function readAtMost(body: Readable, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}
