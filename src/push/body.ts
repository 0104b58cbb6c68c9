import type { IncomingMessage } from 'node:http';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Pass } from './admission.js';

export type BodyFault = 'push_too_large' | 'push_busy' | 'push_timeout';

/**
 * Reads a body of at most `maxBytes`, whatever its head says. What is held is accounted for as it comes, so that many senders that
 * announce much and send little hold little. The request stays usable: whoever is refused in mid-body still gets the answer.
 */
export function readBody(request: IncomingMessage, maxBytes: number, pass: Pass, signal: AbortSignal): Promise<Result<Buffer, BodyFault>> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve(err('push_too_large'));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (result: Result<Buffer, BodyFault>): void => {
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      signal.removeEventListener('abort', onGone);
      request.on('error', () => undefined).resume();
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) finish(err('push_too_large'));
      else if (!pass.hold(chunk.length)) finish(err('push_busy'));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(ok(Buffer.concat(chunks)));
    const onGone = (): void => finish(err('push_timeout'));
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    signal.addEventListener('abort', onGone, { once: true });
    if (signal.aborted) onGone();
  });
}
