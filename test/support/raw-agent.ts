import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import { dial } from '../../src/agent/dial.js';
import { encodeBlock } from '../../src/h2/index.js';
import type { CertificateFiles } from './certificates.js';

/**
 * An agent at frame level: a real certificate, a real tunnel, and whatever bytes a test wants to send through it. By itself it
 * only opens the tunnel as it should (SETTINGS, acknowledgements, the control stream), keeps account of its windows, and
 * hands each scrape to `onScrape`.
 */

export const Frame = { data: 0, headers: 1, priority: 2, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;

const MAX_PAYLOAD = 16_384;
const INSTANCE = randomUUID();

/** Answers, or does what an agent must not do. */
export type ScrapeAct = (agent: RawAgent, streamId: number) => void;

export interface RawAgentOptions {
  readonly port: number;
  readonly certificate: CertificateFiles;
  readonly caFile: string;
  readonly onScrape?: ScrapeAct;
  /** Id of its process; default: the same for all of a test file. */
  readonly instance?: string;
  /** Payload of its SETTINGS frame; default: empty. */
  readonly settings?: Buffer;
  /** It says nothing by itself, not even SETTINGS. */
  readonly mute?: boolean;
  /** The PINGs of the hub are not answered. */
  readonly deaf?: boolean;
}

export class RawAgent implements Disposable {
  readonly socket: TLSSocket;
  /** What the hub has said on the control stream, a message each. */
  readonly heard: Readonly<Record<string, unknown>>[] = [];
  /** Error code and debug text of the hub's GOAWAY. */
  goaway: { readonly code: number; readonly detail: string } | undefined;
  /** Streams that the hub has reset, with the code. */
  readonly resets = new Map<number, number>();
  readonly closed: Promise<void>;
  onScrape: ScrapeAct;
  /** How many it was asked for. */
  scrapes = 0;
  /** The hub's first stream; 0 until it is there. */
  controlStream = 0;
  readonly #options: RawAgentOptions;
  /** Stream, or 0 for the connection → bytes that may still be sent. */
  readonly #windows = new Map<number, number>([[0, 65_535]]);
  #initialWindow = 65_535;
  #received = Buffer.alloc(0);
  #control = '';
  #revision = 0;
  #onWindow: (() => void)[] = [];

  constructor(socket: TLSSocket, head: Buffer, options: RawAgentOptions) {
    this.socket = socket;
    this.#options = options;
    this.onScrape = options.onScrape ?? answerWith('up 1\n');
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    if (options.mute !== true) this.frame(Frame.settings, 0, 0, options.settings);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (head.length > 0) this.#read(head);
    socket.resume();
  }

  // ---- what it can send

  raw(bytes: Buffer): boolean {
    return this.socket.destroyed || this.socket.write(bytes);
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): boolean {
    return this.raw(frameBytes(type, flags, streamId, payload));
  }

  /** A header block from names and values in turn, whatever they are; in several frames where it is long. */
  headers(streamId: number, fields: readonly string[], flags = 0): boolean {
    return this.block(streamId, encodeBlock(fields), flags);
  }

  /** A header block as it is. */
  block(streamId: number, block: Uint8Array, flags = 0): boolean {
    let type: number = Frame.headers;
    for (let at = 0; at + MAX_PAYLOAD < block.length; at += MAX_PAYLOAD) {
      this.frame(type, type === Frame.headers ? flags : 0, streamId, block.subarray(at, at + MAX_PAYLOAD));
      type = Frame.continuation;
    }
    const last = block.subarray(Math.max(0, Math.ceil(block.length / MAX_PAYLOAD) - 1) * MAX_PAYLOAD);
    return this.frame(type, END_HEADERS | (type === Frame.headers ? flags : 0), streamId, last);
  }

  data(streamId: number, body: string | Buffer, flags = 0): boolean {
    return this.frame(Frame.data, flags, streamId, Buffer.from(body));
  }

  /** A line on the control stream; an object is made one. */
  say(message: object | string): void {
    const line = Buffer.from(typeof message === 'string' ? message : `${JSON.stringify(message)}\n`);
    for (let at = 0; at < line.length; at += MAX_PAYLOAD) this.frame(Frame.data, 0, this.controlStream, line.subarray(at, at + MAX_PAYLOAD));
  }

  /** Offers `targets`; returns the revision. */
  register(targets: readonly unknown[]): number {
    this.#revision += 1;
    this.say({ type: 'targets', revision: this.#revision, targets });
    return this.#revision;
  }

  /** The same within the windows, for long lists. */
  async registerPatiently(targets: readonly unknown[]): Promise<number> {
    this.#revision += 1;
    const line = Buffer.from(`${JSON.stringify({ type: 'targets', revision: this.#revision, targets })}\n`);
    for (let at = 0; at < line.length; at += MAX_PAYLOAD) {
      const part = line.subarray(at, at + MAX_PAYLOAD);
      if (await this.take(this.controlStream, part.length)) this.frame(Frame.data, 0, this.controlStream, part);
    }
    return this.#revision;
  }

  /** Resolves when the windows leave room for `bytes` on the stream, and takes them; undefined: the tunnel is closed. */
  async take(streamId: number, bytes: number): Promise<true | undefined> {
    while (!this.socket.destroyed) {
      const own = this.#windows.get(streamId) ?? this.#initialWindow;
      const shared = this.#windows.get(0) ?? 0;
      if (own >= bytes && shared >= bytes) {
        this.#windows.set(streamId, own - bytes);
        this.#windows.set(0, shared - bytes);
        return true;
      }
      await new Promise<void>((resolve) => {
        this.#onWindow.push(resolve);
        this.socket.once('close', () => resolve());
      });
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  // ---- what it understands

  #read(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      if (this.#received.length < 9) return;
      const end = 9 + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(0, end);
      this.#received = this.#received.subarray(end);
      this.#onFrame(frame.readUInt8(3), frame.readUInt8(4), frame.readUInt32BE(5), frame.subarray(9));
    }
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case Frame.headers:
        return this.#onHeaders(streamId);
      case Frame.data:
        if (streamId === this.controlStream) this.#onControl(payload);
        return;
      case Frame.settings:
        if ((flags & ACK) === 0) this.#onSettings(payload);
        return;
      case Frame.ping:
        if ((flags & ACK) === 0 && this.#options.deaf !== true) this.frame(Frame.ping, ACK, 0, payload);
        return;
      case Frame.windowUpdate:
        this.#windows.set(streamId, (this.#windows.get(streamId) ?? this.#initialWindow) + payload.readUInt32BE(0));
        for (const wake of this.#onWindow.splice(0)) wake();
        return;
      case Frame.rstStream:
        this.resets.set(streamId, payload.readUInt32BE(0));
        return;
      case Frame.goaway:
        this.goaway = { code: payload.readUInt32BE(4), detail: payload.toString('latin1', 8) };
        return;
      default:
    }
  }

  #onSettings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) if (payload.readUInt16BE(at) === 4) this.#initialWindow = payload.readUInt32BE(at + 2);
    if (this.#options.mute !== true) this.frame(Frame.settings, ACK, 0);
  }

  #onHeaders(streamId: number): void {
    if (this.controlStream !== 0) {
      this.scrapes += 1;
      return this.onScrape(this, streamId);
    }
    this.controlStream = streamId;
    // the first block says that it takes the hub's table size, 0 (RFC 9113 §4.3.1)
    this.block(streamId, Buffer.from([0x20, 0x88]));
  }

  #onControl(payload: Buffer): void {
    const lines = (this.#control + payload.toString()).split('\n');
    this.#control = lines.pop() ?? '';
    this.heard.push(...lines.map((line): Readonly<Record<string, unknown>> => JSON.parse(line)));
  }
}

export function frameBytes(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Entries of a SETTINGS frame: identifier and value in turn. */
export function settingsPayload(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  return Buffer.concat(entries.map(([id, value]) => {
    const entry = Buffer.alloc(6);
    entry.writeUInt16BE(id, 0);
    entry.writeUInt32BE(value, 2);
    return entry;
  }));
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}

/** What a good agent does. */
export function answerWith(body: string): ScrapeAct {
  return (agent, streamId) => {
    agent.headers(streamId, [':status', '200', 'content-type', 'text/plain; version=0.0.4']);
    agent.data(streamId, body, END_STREAM);
  };
}

/** Dials through the gateway's agents' door; throws on a refusal. */
export async function dialRaw(options: RawAgentOptions): Promise<RawAgent> {
  const { port, certificate, caFile } = options;
  const [cert, key, ca] = await Promise.all([certificate.certificateFile, certificate.keyFile, caFile].map((file) => readFile(file, 'utf8')));
  const result = await dial({
    gateway: { host: 'localhost', port, serverName: 'localhost' },
    credentials: { certificate: cert ?? '', key: key ?? '', ca: ca ?? '' },
    // always the same process, so that a new tunnel replaces the one before
    instance: options.instance ?? INSTANCE, known: [],
    timeoutMs: 20_000,
    signal: new AbortController().signal,
  });
  if (!result.ok) throw new Error(`${result.error.cause}: ${result.error.message}`);
  // the client's preface comes before the first frame
  const { socket, head } = result.value;
  const preface = await readPreface(socket, head);
  return new RawAgent(socket, preface, options);
}

const PREFACE_BYTES = 24;

async function readPreface(socket: TLSSocket, head: Buffer): Promise<Buffer> {
  let received = head;
  socket.resume();
  while (received.length < PREFACE_BYTES) {
    const chunk = await new Promise<Buffer>((resolve, reject) => {
      socket.once('data', resolve);
      socket.once('close', () => reject(new Error('closed before the preface')));
    });
    received = Buffer.concat([received, chunk]);
  }
  socket.pause();
  return received.subarray(PREFACE_BYTES);
}
