/**
 * Results that are remembered together with what was asked for them, as questions to ask again: a result is good for as long as each has the
 * answer that it had. So nobody keeps a table of who depends on whom.
 */

/** `build` says by `note` what its result depends on; it is called again for an object when one of these is not the same any more. */
export function rememberWhile<T extends object, R>(build: (object: T, note: (isSame: () => boolean) => void) => R): (object: T) => R {
  const known = new WeakMap<T, { readonly isSame: readonly (() => boolean)[]; readonly result: R }>();
  return (object) => {
    const before = known.get(object);
    if (before?.isSame.every((check) => check()) === true) return before.result;
    const isSame: (() => boolean)[] = [];
    const result = build(object, (check) => isSame.push(check));
    known.set(object, { isSame, result });
    return result;
  };
}
