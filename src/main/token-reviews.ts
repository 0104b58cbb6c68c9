import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { ReviewToken, TokenReviewSpec, TokenVerdict } from '../model/kubernetes.js';

/**
 * The one who asks the API server, for all data threads: its client is large, and is loaded only where a cluster is configured.
 */
export interface TokenReviews {
  readonly review: ReviewToken;
  /** Undefined = nobody is asked. */
  configure(spec: TokenReviewSpec | undefined): void;
}

export interface TokenReviewsOptions {
  readonly logger: Logger;
  readonly registry: Registry;
  readonly spec?: TokenReviewSpec | undefined;
}

export function createTokenReviews({ logger, registry, spec: first }: TokenReviewsOptions): TokenReviews {
  const reviews = new Counter({
    name: 'scrapeway_token_reviews_total',
    help: 'Questions to the API server of Kubernetes about tokens, by what it said: account, refused, or away (no usable answer).',
    labelNames: ['verdict'],
    registers: [registry],
  });
  let asked = '';
  let reviewer: Promise<ReviewToken> | undefined;
  let away = false;

  function configure(spec: TokenReviewSpec | undefined): void {
    const wanted = JSON.stringify(spec) ?? '';
    if (wanted === asked) return;
    asked = wanted;
    reviewer = spec && load(spec);
  }

  /** Says it once when it goes, and once when it is back. */
  function record(verdict: TokenVerdict): TokenVerdict {
    reviews.inc({ verdict: verdict.kind });
    if (verdict.kind === 'away' && !away) logger.error({ why: verdict.why }, 'tokens of service accounts cannot be reviewed');
    else if (verdict.kind !== 'away' && away) logger.info('tokens of service accounts can be reviewed again');
    away = verdict.kind === 'away';
    return verdict;
  }

  configure(first);
  return {
    configure,
    review: async (token) => record(reviewer === undefined ? { kind: 'away', why: 'no review is configured' } : await (await reviewer)(token)),
  };
}

/** Where the client cannot even be made, each question has that for an answer. */
async function load(spec: TokenReviewSpec): Promise<ReviewToken> {
  try {
    const { createTokenReviewer } = await import('../k8s/token-reviewer.js');
    return createTokenReviewer(spec);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return () => Promise.resolve({ kind: 'away', why });
  }
}
