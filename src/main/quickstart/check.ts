/**
 * What `npm start -- --check` proves: Prometheus itself reports every target `up`, and a tenant's attempt at the other's
 * target is refused by the gateway.
 */
import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import type { Layout, Ports } from './layout.js';

export interface CheckRow {
  readonly what: string;
  readonly found: string;
  readonly ok: boolean;
}

/** Targets that Prometheus must report, by job. */
const EXPECTED: ReadonlyMap<string, number> = new Map([
  ['team-a', 3],
  ['team-b', 2],
  ['team-b-proxy', 1],
]);

/** One look at Prometheus: a row for each job. Never throws: a Prometheus that does not answer yet is a row that is not ok. */
export async function prometheusRows(ports: Ports): Promise<readonly CheckRow[]> {
  const targets = await activeTargets(ports.prometheus);
  return [...EXPECTED].map(([job, expected]) => {
    const ofJob = targets.filter((t) => t.job === job);
    const up = ofJob.filter((t) => t.health === 'up').length;
    const error = ofJob.find((t) => t.lastError !== '')?.lastError;
    const found = `${up} of ${expected} up${error === undefined ? '' : ` (${error})`}`;
    return { what: `Prometheus, job ${job}`, found, ok: up === expected && ofJob.length === expected };
  });
}

interface ActiveTarget {
  readonly job: string;
  readonly health: string;
  readonly lastError: string;
}

async function activeTargets(port: number): Promise<readonly ActiveTarget[]> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/targets?state=active`, { signal: AbortSignal.timeout(2_000) });
    return readTargets(await response.json());
  } catch {
    return [];
  }
}

function readTargets(answer: unknown): readonly ActiveTarget[] {
  const list = field(field(answer, 'data'), 'activeTargets');
  if (!Array.isArray(list)) return [];
  return list.map((target: unknown) => ({
    job: String(field(field(target, 'labels'), 'job')),
    health: String(field(target, 'health')),
    lastError: String(field(target, 'lastError') ?? ''),
  }));
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** team-a asks for team-b's target, by name and through the proxy door's name: both must be refused. */
export async function refusalRow(layout: Layout, ports: Ports): Promise<CheckRow> {
  const password = readFileSync(layout.teamAPasswordFile, 'utf8');
  const { status, reason } = await get(layout, ports.scrape, '/scrape/site-b/node', `team-a:${password}`);
  return { what: "team-a asks for team-b's target", found: `${status} ${reason}`, ok: status === 403 && reason === 'target_forbidden' };
}

function get(layout: Layout, port: number, path: string, auth: string): Promise<{ status: number; reason: string }> {
  return new Promise((resolve) => {
    const call = request(
      { host: 'localhost', port, path, auth, ca: readFileSync(`${layout.pkiDir}/server-ca.crt`), timeout: 5_000 },
      (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0, reason: String(response.headers['x-scrapeway-reason'] ?? '') });
      },
    );
    call.once('timeout', () => call.destroy(new Error('no answer in 5 s')));
    call.once('error', (error) => resolve({ status: 0, reason: error.message }));
    call.end();
  });
}

/** The rows as a table for a person. */
export function formatRows(rows: readonly CheckRow[]): string {
  const width = Math.max(...rows.map((r) => r.what.length));
  return rows.map((r) => `  ${r.ok ? 'ok  ' : 'FAIL'}  ${r.what.padEnd(width)}  ${r.found}`).join('\n');
}
