import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { backendError } from './backend-error.js';
import type { UpstreamRequest } from './endpoint.js';
import type { Limits } from './limits.js';
import { readAll } from './reading.js';
import type { Refusal, Reply } from './refusal.js';
import type { Upstream, UpstreamAnswer } from './upstream.js';

/** One question to one backend: the head of its answer, or what of its error the caller may read. */

export interface Asked {
  readonly upstream: Upstream;
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** What Prometheus says where it has no data to put into an answer: exemplars of a query without selectors. */
export const NO_CONTENT = 204;
const MAX_ERROR_BYTES = 64 * 1024;

/** The head of the backend's answer where it is one; else its error. */
export async function asked(request: UpstreamRequest, { upstream, signal }: Pick<Asked, 'upstream' | 'signal'>): Promise<Result<UpstreamAnswer, Reply | Refusal>> {
  const answer = await upstream.ask(request, signal);
  if (answer.status === 200 || answer.status === NO_CONTENT) return ok(answer);
  const error = backendError(answer.status, await readAll(answer.body, MAX_ERROR_BYTES));
  return { ok: false, error: error.ok ? error.value : error.error };
}
