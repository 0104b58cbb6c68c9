import { request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { ReviewToken, TokenReviewSpec, TokenVerdict } from '../model/kubernetes.js';
import { followKubeConfig } from '../kube/kube-config.js';
import type { CurrentKubeConfig } from '../kube/kube-config.js';

/**
 * Whose a token is, by `POST …/tokenreviews`: the API server checks key, time, audience, and that the service account and what the
 * token is bound to still exist. One question, one answer; what is remembered of it is the asker's business.
 */
export function createTokenReviewer(spec: TokenReviewSpec): ReviewToken {
  const current = followKubeConfig(spec.access);
  return async (token) => {
    const why = (error: unknown): TokenVerdict => ({ kind: 'away', why: error instanceof Error ? error.message.slice(0, 200) : String(error) });
    return send(current, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: spec.audiences } }, spec.timeoutMs).then((answer) => verdictOf(answer, spec.audiences), why);
  };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
/** A review comes back with the token in it. */
const MAX_ANSWER_BYTES = 256 * 1024;

async function send(current: CurrentKubeConfig, review: unknown, timeoutMs: number): Promise<Answer> {
  const config = await current();
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const server = new URL(config.getCurrentCluster()?.server ?? '');
  const body = JSON.stringify(review);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const signal = AbortSignal.timeout(timeoutMs);
  const request = requestHttps(new URL(server.pathname.replace(/\/$/, '') + PATH, server), {
    ...options,
    method: 'POST',
    headers: { ...options.headers, 'content-type': 'application/json', accept: 'application/json', 'user-agent': 'scrapeway', 'content-length': Buffer.byteLength(body) },
    signal,
  });
  request.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error));
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too large'));
      else chunks.push(chunk);
    });
    response.on('error', reject);
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString('utf8')) }));
  });
  request.end(body);
  return promise;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Exported for tests. Nothing but a whole yes, for one of our audiences, and of a service account, is a yes. */
export function verdictOf({ status, body }: Answer, audiences: readonly string[]): TokenVerdict {
  // Not the token is refused here, but we are: no right to ask, or none known.
  if (status !== 200 && status !== 201) return { kind: 'away', why: `the API server answers ${status}: ${String(at(body, 'message') ?? '').slice(0, 200)}` };
  const review = at(body, 'status');
  if (review === undefined) return { kind: 'away', why: 'the API server answers with something else' };
  if (at(review, 'authenticated') !== true) return { kind: 'refused', why: `the API server does not know it: ${String(at(review, 'error') ?? 'no reason given').slice(0, 200)}` };
  // An authenticator that knows nothing of audiences leaves them out: then the token may be for anybody.
  const found = at(review, 'audiences');
  if (!Array.isArray(found) || !found.some((audience) => audiences.includes(audience))) return { kind: 'refused', why: 'it is for another audience' };
  const user = String(at(at(review, 'user'), 'username') ?? '');
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  return namespace === undefined || name === undefined ? { kind: 'refused', why: 'it is of no service account' } : { kind: 'account', namespace, name };
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
