import type { JsonObject } from './json.js';

/** Labels as the API writes them: equal, and in order. */

export function labelsKey(labels: JsonObject): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => compare(a, b)));
}

/** By bytes of UTF-8, as Prometheus orders. */
export function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
