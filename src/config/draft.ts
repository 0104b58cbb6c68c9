import path from 'node:path';
import type { Fault, Result } from '../lib/result.js';
import type { SchemaFault } from './schema.js';
import { formatDuration, parseDuration } from '../lib/duration.js';
import { formatPath } from './yaml-source.js';
import type { Path, YamlSource } from './yaml-source.js';

/** What the keys of a configuration that name files are read from. */
export interface TextSource {
  /** The error is what a person needs to know of it, without the path. */
  read(file: string): Promise<Result<string, string>>;
  /** What is wrong with a secret, in words that do not name its file. */
  secretFault(problem: string, folder: string): string;
}

/**
 * A configuration while it is being compiled: collects what is wrong, with its place in the file.
 *
 * The idea that lets all faults be reported at once: a part of the file is compiled if, and only if, the schema found nothing
 * wrong on the way to it and within it. Parts are independent, so a fault in one hides none in another, and no compiling
 * function ever sees a value of the wrong type.
 */
export class Draft {
  readonly faults: Fault[];
  readonly warnings: Fault[] = [];
  readonly #source: YamlSource;
  readonly #broken: readonly Path[];
  readonly #files: TextSource;
  readonly #folder: string;
  /** Wall clock, ms; certificates are judged by it. */
  readonly nowMs: number;

  constructor(options: { readonly source: YamlSource; readonly schemaFaults: readonly SchemaFault[]; readonly files: TextSource; readonly folder: string; readonly nowMs: number }) {
    const { source, schemaFaults, files, folder, nowMs } = options;
    this.#source = source;
    this.#files = files;
    this.#folder = folder;
    this.nowMs = nowMs;
    this.#broken = schemaFaults.filter(({ kind }) => kind !== 'unknown').map((fault) => fault.path);
    this.faults = [
      ...source.faults,
      ...schemaFaults.filter(({ implied }) => !implied).map((fault) => (fault.kind === 'unknown' ? this.#atKey(fault.path, fault.message) : this.#at(fault.path, fault.message))),
    ];
  }

  fault(place: Path, message: string): void {
    this.faults.push(this.#at(place, message));
  }

  warn(place: Path, message: string): void {
    this.warnings.push(this.#at(place, message));
  }

  /** Compiles one part of the file, or does not where the schema found a fault in it. */
  part<T>(place: Path, compile: () => T): T | undefined {
    const broken = this.#broken.some((fault) => isPrefix(fault, place) || isPrefix(place, fault));
    return broken ? undefined : compile();
  }

  /** As `part`, but what is wrong deeper inside is left to the parts within: `compile` must reach for it through these only. */
  within<T>(place: Path, compile: () => T): T | undefined {
    return this.#broken.some((fault) => isPrefix(fault, place)) ? undefined : compile();
  }

  /** Compiles the sound entries of a list, each on its own. `items` is called only if there is a list. */
  async list<I, O>(place: Path, items: () => readonly I[], compile: (item: I, place: Path) => O | undefined | Promise<O | undefined>): Promise<O[]> {
    const compiled: O[] = [];
    for (const [index, item] of (this.within(place, items) ?? []).entries()) {
      const entry = await this.part([...place, index], () => compile(item, [...place, index]));
      if (entry !== undefined) compiled.push(entry);
    }
    return compiled;
  }

  /** A duration within bounds, in ms, or a fault. */
  durationMs(place: Path, text: string, { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): number | undefined {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    this.fault(place, `must be from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`);
    return undefined;
  }

  /** Absolute form of a path of the file. */
  resolve(file: string): string {
    return path.resolve(this.#folder, file);
  }

  /** The text of a file that the key at `place` names, or a fault. */
  async readFile(place: Path, file: string): Promise<string | undefined> {
    const text = await this.#files.read(this.resolve(file));
    if (text.ok) return text.value;
    this.fault(place, `${this.resolve(file)} ${text.error}`);
    return undefined;
  }

  /**
   * A secret in a file of its own: its text without the line's end. The faults do not name the file: where it should stand, some
   * write the secret itself.
   */
  async readSecret(place: Path, file: string): Promise<string | undefined> {
    const text = await this.#files.read(this.resolve(file));
    const secret = text.ok ? text.value.replace(/\r?\n$/, '') : '';
    if (secret !== '') return secret;
    this.fault(place, this.#files.secretFault(text.ok ? 'is empty' : text.error, this.#folder));
    return undefined;
  }

  #at(place: Path, message: string): Fault {
    return { place: formatPath(place), message, ...this.#source.positionOf(place) };
  }

  #atKey(place: Path, message: string): Fault {
    return { place: formatPath(place.slice(0, -1)), message, ...this.#source.positionOfKey(place) };
  }
}

function isPrefix(prefix: Path, whole: Path): boolean {
  return prefix.length <= whole.length && prefix.every((part, index) => part === whole[index]);
}
