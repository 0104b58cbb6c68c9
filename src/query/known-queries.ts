import { LRUCache } from 'lru-cache';
import type { Expr } from '../promql/ast.js';
import type { Enforced } from '../promql/enforce/enforce.js';

/**
 * Queries that were parsed and rewritten already, so that a dashboard's next refresh is not again. A view's are its own: what was
 * made under one set of rules and limits can never be found under another.
 */

export interface KnownQuery {
  readonly expr: Expr;
  readonly enforced: Enforced;
}

/** Of one view. */
export interface Memory {
  find(text: string): KnownQuery | undefined;
  keep(text: string, query: KnownQuery): void;
}

/** Of texts and rewritten texts together; their trees take about a hundred bytes for each character. */
const MAX_CHARS = 256 * 1024;
const MAX_CHARS_EACH = MAX_CHARS / 8;

export class KnownQueries {
  readonly #queries = new LRUCache<string, KnownQuery>({ maxSize: MAX_CHARS, maxEntrySize: MAX_CHARS_EACH });
  #views = 0;

  /** For a view that is new; it must never be given to another. */
  memory(): Memory {
    this.#views += 1;
    const prefix = `${this.#views} `;
    return {
      find: (text) => this.#queries.get(prefix + text),
      keep: (text, query) => void this.#queries.set(prefix + text, query, { size: 1 + text.length + query.enforced.query.length }),
    };
  }

  get size(): number {
    return this.#queries.size;
  }
}
