import type { Dispatcher } from 'undici';

/** What dispatchers of ours do with a request before they hand it on. */

/** A request's headers as one list of names and values, of what the gateway's clients give. */
export function flatHeaders(headers: Dispatcher.DispatchOptions['headers']): string[] {
  if (headers === undefined || headers === null) return [];
  if (Symbol.iterator in headers) throw new Error('headers as an object, please');
  return Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [value].flat().flatMap((one) => [name, String(one)])));
}

/** It can be sent once more. */
export function isWhole(body: Dispatcher.DispatchOptions['body']): boolean {
  return body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array;
}
