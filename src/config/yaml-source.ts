import { isDeepStrictEqual } from 'node:util';
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ErrorCode, YAMLMap } from 'yaml';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';

/**
 * YAML text → plain value, which still knows where each of its parts stands.
 *
 * The parser's own messages quote the text, and the text may hold secrets: each of its codes has a sentence of ours instead.
 */

export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlSource {
  /** Plain data; of a key that stands twice, the last value. */
  readonly value: unknown;
  /** Faults that leave the tree readable: duplicate keys, unknown tags. */
  readonly faults: readonly Fault[];
  /** Where the value at `path` stands; of something that is not there, its nearest ancestor. */
  positionOf(path: Path): Position;
  /** Where the key of the value at `path` stands. */
  positionOfKey(path: Path): Position;
}

const MAX_ALIASES = 100;

/** Reads one YAML 1.2 document. Syntax errors come alone: what else is wrong cannot be told from a broken tree. */
export function parseYaml(text: string): Result<YamlSource> {
  const lines = new LineCounter();
  // 'silent' would also pass over a second document.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, logLevel: 'error' });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems = [...document.errors, ...document.warnings].map(({ code, pos }) => ({ code, fault: { place: '', message: MESSAGES[code], ...at(pos[0]) } }));
  const syntax = problems.filter(({ code }) => !READABLE.has(code)).map(({ fault }) => fault);
  // the parser says some things twice of one place
  if (syntax.length > 0) return err(syntax.filter((fault, i) => i === syntax.findIndex((other) => isDeepStrictEqual(other, fault))));
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    const lost = unresolvedAlias(document);
    if (lost !== undefined) return err([{ place: '', message: MESSAGES.BAD_ALIAS, ...at(lost) }]);
    return err([{ place: '', message: `cannot be expanded; more than ${MAX_ALIASES} aliases, or one that stands inside what it names`, line: 1, column: 1 }]);
  }
  return ok({
    value,
    faults: problems.map(({ fault }) => fault),
    positionOf: (path) => at(locate(document, path).value),
    positionOfKey: (path) => at(locate(document, path).key),
  });
}

/** `tenants[2].scrape[0].selector`; a key that would be mistaken for syntax is quoted. */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(part)) return `[${JSON.stringify(part)}]`;
      return index === 0 ? part : `.${part}`;
    })
    .join('');
}

/** Offset of the first alias without an anchor before it; the parser itself only tells when it expands. */
function unresolvedAlias(document: Document): number | undefined {
  let offset: number | undefined;
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = offsetOf(alias);
      return visit.BREAK;
    },
  });
  return offset;
}

interface Located {
  readonly key: number;
  readonly value: number;
}

/** Offsets into the text. Walks down as far as the path exists. */
function locate(document: Document, path: Path): Located {
  let node: unknown = document.contents;
  let found: Located = { key: offsetOf(node) ?? 0, value: offsetOf(node) ?? 0 };
  for (const part of path) {
    const container = isAlias(node) ? node.resolve(document) : node;
    if (isMap(container)) {
      const pair = container.items.find(({ key }) => keyText(key) === String(part));
      if (pair === undefined) return found;
      const key = offsetOf(pair.key) ?? found.value;
      node = pair.value;
      // A key without a value: its null stands nowhere, so the key is what can be shown.
      found = { key, value: isEmpty(node) ? key : (offsetOf(node) ?? key) };
    } else if (isSeq(container) && typeof part === 'number') {
      node = container.items[part];
      const value = offsetOf(node) ?? found.value;
      found = { key: value, value };
    } else return found;
  }
  return found;
}

function keyText(key: YAMLMap['items'][number]['key']): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function isEmpty(node: unknown): boolean {
  return isScalar(node) && node.value === null && (node.source ?? '') === '';
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** Codes after which the tree is still what its author meant, but for the place itself. */
const READABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['DUPLICATE_KEY', 'TAG_RESOLVE_FAILED']);

const MESSAGES: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*name) can have no anchor and no tag of its own',
  BAD_ALIAS: 'an alias (*name) without its anchor (&name) before it; quote text that starts with "*"',
  BAD_COLLECTION_TYPE: 'a tag that does not fit what it stands before',
  BAD_DIRECTIVE: 'a line that starts with "%" is a directive of YAML, and this one is not known',
  BAD_DQ_ESCAPE: 'an escape (\\…) that double quotes do not know; use single quotes to keep backslashes',
  BAD_INDENT: 'wrong indentation, or a bracket that is not closed before this line',
  BAD_PROP_ORDER: 'an anchor or a tag at the wrong place',
  BAD_SCALAR_START: 'text must not start with this character; quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a map cannot begin here; is the line before it complete, or a value with ": " in need of quotes?',
  BLOCK_IN_FLOW: 'an indented list or map cannot stand inside [ ] or { }',
  DUPLICATE_KEY: 'this key stands in the same map once more; remove one of them',
  IMPOSSIBLE: 'not YAML',
  KEY_OVER_1024_CHARS: 'a key longer than 1024 characters; is a quote or a bracket not closed?',
  MISSING_CHAR: 'a character is missing before this place: a quote, a bracket, a comma, a colon, or the space after one',
  MULTILINE_IMPLICIT_KEY: 'a key over more than one line; is a quote not closed, or a colon missing?',
  MULTIPLE_ANCHORS: 'more than one anchor (&name) for one value',
  MULTIPLE_DOCS: 'a second document begins here; only one is read, remove the "---"',
  MULTIPLE_TAGS: 'more than one tag (!name) for one value',
  NON_STRING_KEY: 'a key that is not text; quote it',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'a tab as indentation; YAML takes spaces only',
  TAG_RESOLVE_FAILED: 'a tag (!name) that is not known here; remove it, or quote text that starts with "!"',
  UNEXPECTED_TOKEN: 'this cannot stand here; is the indentation right, or a value in need of quotes?',
};
