import { createHash } from 'node:crypto';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { gunzip, gzip } from 'node:zlib';
import { errnoOf } from '../lib/errno.js';
import { writeFileAtomically } from '../lib/files.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Endpoints } from './endpoints.js';
import type { KubeObject } from './kube-object.js';
import type { OwnObject } from './store.js';

/**
 * What a cluster said last, over a restart: one file, 0600, replaced as a whole. Its first line says what it is; what follows is only
 * looked at where that fits and the checksum is right, so that it is ours, of this version, and of the same settings.
 *
 * In it are objects as they were compiled: of tenants' secrets their hashes, nothing that could be shown to anybody. What the gateway
 * itself has to show (to backends) is in clear, or it could ask none.
 */
export interface Remembered {
  /** MetricAccess objects, by the list that they were in. */
  readonly accesses: ReadonlyMap<string, readonly KubeObject[]>;
  /** Undefined: these were never all had. */
  readonly own: readonly OwnObject[] | undefined;
  /** Of discovered backends, by watch. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoints[]>;
}

export interface StateFileOptions {
  readonly path: string;
  /** Of the gateway: another one's idea of an object may be another. */
  readonly version: string;
  /** What decides which objects are read; other settings, other objects. */
  readonly subject: unknown;
  readonly maxBytes?: number;
}

export interface StateFile {
  /** Undefined: there is none. An error: why what is there cannot be used. */
  read(): Promise<Result<{ readonly remembered: Remembered; readonly confirmedMs: number } | undefined, string>>;
  /** Rejects where it cannot be written. */
  write(remembered: Remembered): Promise<void>;
  /** What it says held until now: its time says so, and nothing is written. */
  confirm(): Promise<void>;
  remove(): Promise<void>;
}

const KIND = 'scrapeway kubernetes state';
/** Twice as much is there while it is replaced, and a pod's folder is small. */
const MAX_BYTES = 16 * 2 ** 20;
const MAX_UNPACKED_BYTES = 256 * 2 ** 20;
const NEWLINE = 0x0a;

interface Head {
  readonly kind: string;
  readonly version: string;
  readonly subject: string;
  readonly sha256: string;
}

export function stateFile({ path, version, subject, maxBytes = MAX_BYTES }: StateFileOptions): StateFile {
  const expected = { kind: KIND, version, subject: sha256(JSON.stringify(subject)) };
  return {
    read: async () => {
      try {
        const [content, { mtimeMs }] = [await readFile(path), await stat(path)];
        const unpacked = await unpack(content, expected);
        return unpacked.ok ? ok({ remembered: unpacked.value, confirmedMs: mtimeMs }) : unpacked;
      } catch (error) {
        return errnoOf(error) === 'ENOENT' ? ok(undefined) : err(error instanceof Error ? error.message : String(error));
      }
    },
    write: async (remembered) => {
      const packed = await promisify(gzip)(await piecesOf(remembered), { level: 1 });
      if (packed.length > maxBytes) throw new Error(`it would take ${packed.length} bytes, more than ${maxBytes}`);
      const head: Head = { ...expected, sha256: sha256(packed) };
      await writeFileAtomically({ path, content: Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), packed]), mode: 0o600 }, { replace: true });
    },
    confirm: async () => {
      const now = new Date();
      await utimes(path, now, now);
    },
    remove: () => rm(path, { force: true }),
  };
}

async function unpack(content: Buffer, expected: Omit<Head, 'sha256'>): Promise<Result<Remembered, string>> {
  const end = content.indexOf(NEWLINE);
  const head = readHead(content.subarray(0, Math.max(0, end)).toString('utf8'));
  if (head?.['kind'] !== expected.kind) return err('it is no such file');
  if (head['version'] !== expected.version) return err('another version of the gateway wrote it');
  if (head['subject'] !== expected.subject) return err('it is of other settings');
  const packed = content.subarray(end + 1);
  if (head['sha256'] !== sha256(packed)) return err('it is damaged');
  return ok(rememberedOf(await promisify(gunzip)(packed, { maxOutputLength: MAX_UNPACKED_BYTES })));
}

/** A part of what is remembered, small enough that nobody waits while it is turned into bytes. */
type Piece =
  | { readonly of: 'own'; readonly objects: Remembered['own'] }
  | { readonly of: 'accesses'; readonly list: string; readonly objects: readonly KubeObject[] }
  | { readonly of: 'endpoints'; readonly list: string; readonly endpoints: readonly Endpoints[] };

const PIECE_OBJECTS = 200;
const LENGTH_BYTES = 4;

function* piecesIn({ own, accesses, endpoints }: Remembered): Generator<Piece> {
  yield { of: 'own', objects: own };
  for (const [list, objects] of accesses) for (const part of parts(objects)) yield { of: 'accesses', list, objects: part };
  for (const [list, all] of endpoints) for (const part of parts(all)) yield { of: 'endpoints', list, endpoints: part };
}

/** One at least: a list without objects is a list. */
function parts<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.max(1, Math.ceil(all.length / PIECE_OBJECTS)) }, (_each, index) => all.slice(index * PIECE_OBJECTS, (index + 1) * PIECE_OBJECTS));
}

/** Each with its length before it. */
async function piecesOf(remembered: Remembered): Promise<Buffer> {
  const buffers: Buffer[] = [];
  for (const piece of piecesIn(remembered)) {
    const bytes = serialize(piece);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    buffers.push(length, bytes);
    await setImmediate();
  }
  return Buffer.concat(buffers);
}

function rememberedOf(content: Buffer): Remembered {
  const accesses = new Map<string, KubeObject[]>();
  const endpoints = new Map<string, Endpoints[]>();
  let own: Remembered['own'];
  for (let at = 0; at < content.length; ) {
    const start = at + LENGTH_BYTES;
    at = start + content.readUInt32BE(at);
    const piece: Piece = deserialize(content.subarray(start, at));
    if (piece.of === 'own') own = piece.objects;
    else if (piece.of === 'accesses') accesses.set(piece.list, [...(accesses.get(piece.list) ?? []), ...piece.objects]);
    else endpoints.set(piece.list, [...(endpoints.get(piece.list) ?? []), ...piece.endpoints]);
  }
  return { accesses, own, endpoints };
}

function readHead(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
