import { readFile } from 'node:fs/promises';

/** The last line about the scrape door; agents, who dial when they like, have lines of their own. */
export async function lastAuditLine(accessLogFile: string): Promise<Record<string, unknown>> {
  const lines: Record<string, unknown>[] = (await readFile(accessLogFile, 'utf8')).trim().split('\n').map((line) => JSON.parse(line || '{}'));
  return lines.findLast(({ listener }) => listener !== 'agents') ?? {};
}
