/**
 * What the two ends tell each other on the control stream: one JSON object a line, in both directions, for the tunnel's whole life.
 *
 * Each end reads the other's lines as outside input: a line over the limit or one that is no JSON object ends the tunnel, a type
 * that is not known is skipped (a newer peer may have more to say).
 */
import { err, ok } from '../lib/result.js';
import type { Fault, Result } from '../lib/result.js';
import type { Target } from '../model/target.js';

export type AgentMessage =
  /** All that the agent offers now. `revision` grows with each message of one agent process. */
  | { readonly type: 'targets'; readonly revision: number; readonly targets: readonly Target[] }
  /** No new scrapes, please: the agent is stopping. */
  | { readonly type: 'draining' };

export type HubMessage =
  /** Answer to `targets`: how many were taken, and what is wrong with the others. */
  | { readonly type: 'registered'; readonly revision: number; readonly accepted: number; readonly faults: readonly Fault[] }
  /** The gateway is stopping: find another one, and finish what is in flight. */
  | { readonly type: 'draining' };

/** 100,000 targets with a dozen labels fit; a peer that never ends a line does not. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** More faults than this help nobody, and an agent must not make the gateway write a novel. */
export const MAX_FAULTS = 100;

export function encodeMessage(message: AgentMessage | HubMessage): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}

export interface LineDecoder {
  /** The complete lines in what has arrived so far; an error when a line is longer than the limit. */
  push(chunk: Uint8Array): Result<readonly string[], string>;
}

/** Splits a byte stream into lines without ever holding more than one line of `maxLineBytes`. */
export function createLineDecoder(maxLineBytes: number = MAX_LINE_BYTES): LineDecoder {
  let parts: Buffer[] = [];
  let pendingBytes = 0;
  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const lines: string[] = [];
      let start = 0;
      for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
        if (pendingBytes + end - start > maxLineBytes) return err(`a line is longer than ${maxLineBytes} bytes`);
        lines.push(Buffer.concat([...parts, bytes.subarray(start, end)]).toString('utf8'));
        parts = [];
        pendingBytes = 0;
        start = end + 1;
      }
      if (start < bytes.length) {
        pendingBytes += bytes.length - start;
        if (pendingBytes > maxLineBytes) return err(`a line is longer than ${maxLineBytes} bytes`);
        // a copy: the chunk may be a view of a buffer that is used again
        parts.push(Buffer.from(bytes.subarray(start)));
      }
      return ok(lines);
    },
  };
}

/** What a line from an agent says. `targets` is still outside input: `validateTargets` reads it. */
export type AgentLine =
  | { readonly type: 'targets'; readonly revision: number; readonly targets: unknown }
  | { readonly type: 'draining' }
  | { readonly type: 'unknown' };

export function readAgentLine(line: string): Result<AgentLine, string> {
  const object = readObject(line);
  if (!object.ok) return object;
  switch (object.value['type']) {
    case 'targets': {
      const revision = object.value['revision'];
      if (!isCount(revision)) return err('targets: revision must be a whole number');
      return ok({ type: 'targets', revision, targets: object.value['targets'] });
    }
    case 'draining':
      return ok({ type: 'draining' });
    default:
      return ok({ type: 'unknown' });
  }
}

export function readHubLine(line: string): Result<HubMessage | { readonly type: 'unknown' }, string> {
  const object = readObject(line);
  if (!object.ok) return object;
  const { type, revision, accepted, faults } = object.value;
  switch (type) {
    case 'registered':
      if (!isCount(revision) || !isCount(accepted)) return err('registered: revision and accepted must be whole numbers');
      return ok({ type, revision, accepted, faults: readFaults(faults) });
    case 'draining':
      return ok({ type });
    default:
      return ok({ type: 'unknown' });
  }
}

function readObject(line: string): Result<Readonly<Record<string, unknown>>, string> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return err('a line is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return err('a line is not a JSON object');
  return ok({ ...value });
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function readFaults(value: unknown): readonly Fault[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_FAULTS).map((fault: unknown) => {
    const { place, message }: { place?: unknown; message?: unknown } = typeof fault === 'object' && fault !== null ? fault : {};
    return { place: String(place), message: String(message) };
  });
}
