import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';

/**
 * Reads the audit log (Envoy's access log, one JSON object a line; docs/audit.md has the fields), filters and shows it.
 */
const FILTERS = ['tenant', 'agent', 'target', 'door', 'decision', 'reason', 'status', 'auth', 'credential'] as const;
type Filter = (typeof FILTERS)[number];

export const auditCommand: Command = {
  name: 'audit',
  usage: `audit [FILE] [--json] [--since TIME] ${FILTERS.map((name) => `[--${name} X]`).join(' ')}`,
  summary: 'Filter and show the audit log (standard input without FILE)',
  run: async (argv) => {
    const { values, positionals } = parseCommandLine(argv, {
      json: { type: 'boolean', default: false },
      since: { type: 'string' },
      tenant: { type: 'string' },
      agent: { type: 'string' },
      target: { type: 'string' },
      door: { type: 'string' },
      decision: { type: 'string' },
      reason: { type: 'string' },
      status: { type: 'string' },
      auth: { type: 'string' },
      credential: { type: 'string' },
    });
    const [file, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError('one FILE only');
    const sinceMs = values.since === undefined ? -Infinity : Date.parse(values.since);
    if (Number.isNaN(sinceMs)) throw new UsageError('--since takes a time such as 2026-01-31T12:00:00Z');
    const wanted = FILTERS.flatMap((name): [Filter, string][] => (values[name] === undefined ? [] : [[name, values[name]]]));
    const lines = createInterface({ input: file === undefined ? process.stdin : createReadStream(file) });
    for await (const line of lines) {
      const entry = readAuditLine(line);
      if (entry === undefined || Date.parse(text(entry['time'])) < sinceMs || !wanted.every(([name, value]) => text(entry[name]) === value)) continue;
      print(values.json ? line : formatAuditLine(entry));
    }
    return 0;
  },
};

type Entry = Readonly<Record<string, unknown>>;

/** Undefined for what is no audit line: Envoy's own log may stand in the same stream. */
export function readAuditLine(line: string): Entry | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null && 'decision' in parsed ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

/** One line for a person: when, who, what, how it ended, how long. */
export function formatAuditLine(entry: Entry): string {
  const who = text(entry['tenant']) || text(entry['agent']) || '-';
  const what = entry['door'] === 'agent' ? 'tunnel' : [text(entry['agent']), text(entry['target'])].filter((part) => part !== '').join('/') || text(entry['path']);
  const how = entry['decision'] === 'allow' ? text(entry['reason']) || 'ok' : text(entry['reason']) || 'refused';
  return [
    text(entry['time']),
    who.padEnd(12),
    text(entry['door']).padEnd(7),
    what.padEnd(24),
    text(entry['status']),
    how.padEnd(18),
    `${text(entry['bytes_out'])} B`,
    `${text(entry['ms'])} ms`,
    text(entry['rule']),
    text(entry['credential']),
  ].join('  ').trimEnd();
}

function text(value: unknown): string {
  return value === null || value === undefined ? '' : String(value);
}
