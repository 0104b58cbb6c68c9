import { createHash } from 'node:crypto';
import type { ExportReport } from './export-report.js';

/**
 * What one gateway leaves to the next that exports: up to when each export has arrived everywhere, in ms since the epoch. It is small, and
 * goes where leadership goes; it need not be of this moment, for what is told too early is only sent again.
 */
export type HandOver = Readonly<Record<string, number>>;

/** A Lease's annotations may be 256 KiB together. */
const MAX_ENTRIES = 5000;

/**
 * Names may be long; what is left of them is short, and told apart well enough. Where an export goes is part of it: what has arrived at one
 * receiver has not arrived at another.
 */
export function handOverKey({ tenant, name, urls }: Pick<ExportReport, 'tenant' | 'name' | 'urls'>): string {
  return createHash('sha256').update(JSON.stringify([tenant, name, urls])).digest('base64url').slice(0, 16);
}

/** `before` holds for exports that have not delivered anything yet. */
export function handOverOf(reports: readonly ExportReport[], before: HandOver): HandOver {
  const entries = reports.flatMap((report) => {
    const { deliveredMs } = report;
    const key = handOverKey(report);
    const atMs = Math.max(deliveredMs ?? -Infinity, before[key] ?? -Infinity);
    return atMs === -Infinity ? [] : [[key, atMs] as const];
  });
  return Object.fromEntries(entries.slice(0, MAX_ENTRIES));
}

/** Whatever cannot be understood is left out. */
export function parseHandOver(text: string | undefined): HandOver {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return Object.fromEntries(Object.entries(Object(value)).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1])));
  } catch {
    return {};
  }
}
