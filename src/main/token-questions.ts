import type { ReviewToken, TokenVerdict } from '../model/kubernetes.js';
import type { FromDataThread } from './thread-messages.js';

/** Questions of a data thread about tokens, which the control thread answers. Its client has a time-out; ours only outlives it. */
export interface TokenQuestions {
  readonly review: ReviewToken;
  answered(id: number, verdict: TokenVerdict): void;
}

/** Above every time-out that can be configured. */
const LOST_MS = 20_000;

export function createTokenQuestions(tell: (message: FromDataThread) => void): TokenQuestions {
  const waiting = new Map<number, (verdict: TokenVerdict) => void>();
  let last = 0;
  return {
    review: (token) => {
      const id = ++last;
      const { promise, resolve } = Promise.withResolvers<TokenVerdict>();
      const timer = setTimeout(() => settle({ kind: 'away', why: 'no answer inside the gateway' }), LOST_MS);
      const settle = (verdict: TokenVerdict): void => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(verdict);
      };
      waiting.set(id, settle);
      tell({ type: 'review', id, token });
      return promise;
    },
    answered: (id, verdict) => waiting.get(id)?.(verdict),
  };
}
