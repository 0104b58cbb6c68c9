import { readFile } from 'node:fs/promises';
import { binary } from '../../support/binaries.js';
import { startProcess } from '../../support/process.js';
import { createTempDir } from '../../support/temp-dir.js';

/** Runs h2spec, strict cases included, and reads its JUnit report. */

export type Outcome = 'passed' | 'failed' | 'skipped';

/** By name: `http2/5.1.2: Sends HEADERS frames that …`. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** How long h2spec waits for the frame that it expects; what passes takes no longer than the answer does. */
const CASE_TIMEOUT_S = 2;

/** All cases against the HTTP/2 server (prior knowledge) on this port of 127.0.0.1. */
export async function runH2spec(port: number): Promise<Outcomes> {
  await using dir = await createTempDir();
  const args = ['--port', String(port), '--strict', '--timeout', String(CASE_TIMEOUT_S), '--junit-report', dir.join('report.xml')];
  await using h2spec = startProcess({ name: 'h2spec', command: await binary('h2spec'), args });
  const { code, signal } = await h2spec.exited;
  // 1: cases have failed.
  if (code !== 0 && code !== 1) throw new Error(`h2spec ended with ${signal ?? code}\n${h2spec.log()}`);
  // It quotes whatever bytes it got, so this is no XML by the book.
  const outcomes = readReport(await readFile(dir.join('report.xml'), 'latin1'));
  if (outcomes.size === 0) throw new Error(`h2spec reports no case\n${h2spec.log()}`);
  return outcomes;
}

export function casesThat(outcome: Outcome, outcomes: Outcomes): readonly string[] {
  return [...outcomes].filter(([, each]) => each === outcome).map(([name]) => name);
}

function readReport(report: string): Outcomes {
  const cases = report.matchAll(/<testcase package="([^"]*)" classname="([^"]*)"[^>]*>\s*(<failure|<error|<skipped)?/g);
  return new Map([...cases].map(([, section, title, inside]) => [`${section}: ${title}`, outcomeOf(inside)]));
}

function outcomeOf(inside: string | undefined): Outcome {
  if (inside === undefined) return 'passed';
  return inside === '<skipped' ? 'skipped' : 'failed';
}
