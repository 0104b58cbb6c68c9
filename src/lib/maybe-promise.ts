/** A value that is usually there already: what handles it stays synchronous unless it has to wait. */
export type MaybePromise<T> = T | Promise<T>;

/** `then` of the value; at once when it is no promise. */
export function whenReady<T, R>(value: MaybePromise<T>, then: (ready: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** `then` of all values; at once when none of them is a promise. */
export function whenAllReady<T, R>(values: readonly MaybePromise<T>[], then: (ready: readonly T[]) => R): MaybePromise<R> {
  const ready: T[] = [];
  for (const value of values) {
    if (value instanceof Promise) return Promise.all(values).then(then);
    ready.push(value);
  }
  return then(ready);
}
