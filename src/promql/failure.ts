import type { Span } from './ast.js';

/** Why a query was refused: it is no PromQL, or it is more than we are willing to read. */
export type RefusalReason = 'syntax' | 'too_long' | 'too_deep' | 'too_costly';

/** Thrown and caught inside of this library only: the first fault ends the parse, as Prometheus reports only the first. */
export class ParseFailure extends Error {
  readonly start: number;
  readonly end: number;
  readonly reason: RefusalReason;

  constructor(message: string, { start, end }: Span, reason: RefusalReason = 'syntax') {
    super(message);
    this.start = start;
    this.end = end;
    this.reason = reason;
  }
}
