import path from 'node:path';
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import { ConfigFiles } from './config-files.js';
import type { FileVersions } from './config-files.js';
import { Draft } from './draft.js';
import { createSchemaCheck } from './schema.js';
import type { SchemaCheck, SchemaName } from './schema.js';
import { parseYaml } from './yaml-source.js';

/**
 * A configuration file on its way in: text → YAML → schema → compiled value. Every step adds its faults to one list; the
 * value exists only if the list is empty.
 */
export interface Loaded<T> {
  readonly result: Result<T>;
  readonly warnings: readonly Fault[];
  /** What was read, or was to be read: a reload is due when any of these changes. */
  readonly files: FileVersions;
}

/** What makes a kind of file: its schema, and what compiles the parsed file. Undefined from `compile` only after a fault. */
export interface FileKind<File, T> {
  readonly schema: SchemaName;
  readonly compile: (draft: Draft, file: File) => Promise<T | undefined>;
}

/** Reads a file. `nowMs` is the wall clock by which certificates are judged. */
export async function loadFile<File, T>(file: string, kind: FileKind<File, T>, nowMs: number): Promise<Loaded<T>> {
  const files = new ConfigFiles();
  const text = await files.read(path.resolve(file));
  if (!text.ok) return { result: err([{ place: '', message: text.error }]), warnings: [], files: files.versions };
  const { result, warnings } = await compileText(text.value, kind, { files, folder: path.dirname(path.resolve(file)), nowMs });
  return { result, warnings, files: files.versions };
}

const checks = new Map<SchemaName, SchemaCheck>();

/** Making a check takes 200 ms, which a reload that revokes something has not got: it is made once. */
export function checkOf(schema: SchemaName): SchemaCheck {
  const check = checks.get(schema) ?? createSchemaCheck(schema);
  checks.set(schema, check);
  return check;
}

async function compileText<File, T>(
  text: string,
  { schema, compile }: FileKind<File, T>,
  { files, folder, nowMs }: { readonly files: ConfigFiles; readonly folder: string; readonly nowMs: number },
): Promise<Omit<Loaded<T>, 'files'>> {
  const source = parseYaml(text);
  if (!source.ok) return { result: source, warnings: [] };
  const { value } = source.value;
  const schemaFaults = checkOf(schema)(value);
  const draft = new Draft({ source: source.value, schemaFaults, files, folder, nowMs });
  // Draft keeps compiling functions away from what the schema refused: within them the file has its type.
  const compiled = isFile<File>(value) ? await compile(draft, value) : undefined;
  const inOrder = byPosition(draft.faults);
  if (inOrder.length > 0) return { result: err(inOrder), warnings: byPosition(draft.warnings) };
  if (compiled === undefined) throw new Error(`the ${schema} file made no value and no fault`);
  return { result: ok(compiled), warnings: byPosition(draft.warnings) };
}

function isFile<File>(value: unknown): value is File {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function byPosition(faults: readonly Fault[]): readonly Fault[] {
  return faults.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
