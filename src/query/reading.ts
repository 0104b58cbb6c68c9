import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { unpack } from '../remotewrite/snappy.js';
import { jsonOf } from './backend-error.js';
import type { Form } from './form.js';
import type { Limits } from './limits.js';
import { refuse } from './refusal.js';
import type { Refusal } from './refusal.js';
import { bodyKind, formOf, isAllowed } from './route.js';
import type { Route } from './route.js';

/** Bodies, never more of them than may be. */

/** Parameters, and the body of an endpoint that takes JSON. */
export interface Asked {
  readonly form: Form;
  readonly json: unknown;
  readonly message: Buffer | undefined;
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
  const { takes } = endpoint;
  if (!isAllowed(endpoint, method)) return refuse('query_method');
  const kind = bodyKind(method, headers, takes);
  if (!kind.ok) return kind;
  const maxBytes = limits.maxQueryChars * BYTES_PER_CHAR + MAX_OTHER_BYTES;
  const body = kind.value === 'none' ? Buffer.alloc(0) : await readAtMost(request, maxBytes);
  if (body === undefined) return refuse('query_over_limit', `a body of more than ${maxBytes} bytes`);
  const form = formOf(takes === undefined ? body : Buffer.alloc(0), query);
  if (!form.ok) return form;
  if (takes === undefined) return ok({ form: form.value, json: undefined, message: undefined });
  switch (takes) {
    case 'json': {
      const json = jsonOf(body.toString('utf8'));
      return json === undefined ? refuse('query_malformed', 'the body is no JSON') : ok({ form: form.value, json, message: undefined });
    }
    case 'message': {
      const message = await unpack(body, maxBytes);
      if (message.ok) return ok({ form: form.value, json: undefined, message: message.value });
      return message.error === 'too_large' ? refuse('query_over_limit', `a message of more than ${maxBytes} bytes`) : refuse('query_malformed', 'the body is not packed with Snappy');
    }
  }
}

/** Rejects with TooLarge, and gives the stream up, where there is more. */
export async function readAll(body: Readable, maxBytes: number): Promise<string> {
  return (await readBytes(body, maxBytes)).toString('utf8');
}

/** As `readAll`. */
export async function readBytes(body: Readable, maxBytes: number): Promise<Buffer> {
  const read = await readAtMost(body, maxBytes);
  if (read === undefined) {
    body.destroy();
    throw new TooLarge();
  }
  return read;
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
