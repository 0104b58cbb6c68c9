/**
 * Go's regular expressions as Prometheus uses them for relabelling: RE2, anchored by `^(?s:` and `)$`, and `$1`, `${name}` in
 * templates with the rules of Go's `regexp.Expand`, which differ from those of every JavaScript replacement.
 */
import { RE2JS } from 're2js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

export interface Pattern {
  test(text: string): boolean;
  /** The groups of the first match; undefined where there is none. */
  match(text: string): Match | undefined;
  /** `text` with each match replaced by the expanded template. */
  replaceAll(text: string, template: Template): string;
}

export interface Match {
  /** By number; undefined or missing = took no part. */
  readonly groups: readonly (string | undefined)[];
  /** Numbers of the groups with this name. */
  readonly names: ReadonlyMap<string, number>;
}

/** What RE2 says of a pattern that it does not take is short and quotes the pattern: it is the operator's own. */
export function compilePattern(source: string): Result<Pattern, string> {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(`^(?s:${source})$`);
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  const names = new Map(Object.entries(compiled.namedGroups()).map(([name, index]) => [name, Number(index)]));
  const groupsOf = (matcher: ReturnType<RE2JS['matcher']>): Match => ({
    groups: Array.from({ length: compiled.groupCount() + 1 }, (_, index) => matcher.group(index) ?? undefined),
    names,
  });
  return ok({
    test: (text) => compiled.matcher(text).find(),
    match: (text) => {
      const matcher = compiled.matcher(text);
      return matcher.find() ? groupsOf(matcher) : undefined;
    },
    replaceAll: (text, template) => {
      const matcher = compiled.matcher(text);
      let result = '';
      let from = 0;
      while (matcher.find()) {
        result += text.slice(from, matcher.start()) + template(groupsOf(matcher));
        from = matcher.end();
      }
      return result + text.slice(from);
    },
  });
}

export type Template = (match: Match) => string;

/** `$name` takes the longest run of word characters: `$1x` is the group "1x", `${1}x` the first one and an x. */
const REFERENCE = /\$(?:\$|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu;

/** Go's `Expand`: `$$` is a dollar, an unknown group is empty, a `$` that begins no reference stands for itself. */
export function compileTemplate(text: string): Template {
  if (!text.includes('$')) return () => text;
  return (match) => text.replace(REFERENCE, (whole, braced: string | undefined, bare: string | undefined) => (whole === '$$' ? '$' : valueOf(match, braced ?? bare ?? '')));
}

function valueOf({ groups, names }: Match, reference: string): string {
  const isNumber = /^(?:0|[1-9]\d{0,7})$/.test(reference);
  const index = isNumber ? Number(reference) : names.get(reference);
  return index === undefined ? '' : (groups[index] ?? '');
}
