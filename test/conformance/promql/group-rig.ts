import { REASON_HEADER } from '../../../src/model/reasons.js';
import { fetchRaw } from '../../support/http.js';
import type { HttpAnswer } from '../../support/http.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import type { QueryDoor } from '../../support/query-door.js';
import { remoteWrite } from './remote-write.js';
import type { Series } from './remote-write.js';
import { difference } from './same-answer.js';

/** A group behind the door and one server that has everything, asked the same. */

export async function load(series: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver', '--enable-feature=promql-experimental-functions'] });
  await remoteWrite(server.url, series);
  return server;
}

export interface Comparison {
  readonly differences: readonly string[];
  /** How many had something in their answer. */
  readonly answered: number;
  readonly refused: readonly string[];
}

export interface Sides {
  readonly door: QueryDoor;
  readonly group: string;
  readonly whole: RunningPrometheus;
  readonly endSeconds: number;
}

const AT_ONCE = 8;

/** Each at a moment and over a range. */
export async function compareAll(sides: Sides, queries: readonly string[]): Promise<Comparison> {
  const all: Comparison[] = [];
  for (let from = 0; from < queries.length; from += AT_ONCE) {
    all.push(...(await Promise.all(queries.slice(from, from + AT_ONCE).map((query) => compareOne(sides, query)))));
  }
  return { differences: all.flatMap(({ differences }) => differences), answered: all.filter(({ answered }) => answered > 0).length, refused: all.flatMap(({ refused }) => refused.slice(0, 1)) };
}

async function compareOne({ door, group, whole, endSeconds }: Sides, query: string): Promise<Comparison> {
  const asks = [['query', { time: `${endSeconds - 30}` }], ['query_range', { start: `${endSeconds - 600}`, end: `${endSeconds}`, step: '60' }]] as const;
  const differences: string[] = [];
  const refused: string[] = [];
  let answered = 0;
  for (const [endpoint, times] of asks) {
    const expected = await fetchRaw({ url: whole.url, target: `/api/v1/${endpoint}?${new URLSearchParams({ query, ...times }).toString()}` });
    const answer = await door.post('t', `/query/${group}/api/v1/${endpoint}`, { query, ...times });
    const reason = answer.headers[REASON_HEADER];
    if (reason !== undefined) {
      refused.push(`${reason} ${query}: ${answer.body.toString('utf8')}`);
      continue;
    }
    const [got, wanted] = [json(answer), json(expected)];
    const different = faultOf(got) === faultOf(wanted) ? difference(got.data, wanted.data, { inOrder: endpoint === 'query' && query.startsWith('sort') }) : `${faultOf(got)}, not ${faultOf(wanted)}`;
    if (different !== undefined) differences.push(`${endpoint} ${query}: ${different}`);
    if (wanted.status === 'success' && !JSON.stringify(wanted.data).includes('"result":[]')) answered += 1;
  }
  return { differences, answered, refused };
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: unknown;
}

function json({ body }: HttpAnswer): Answer {
  const answer: Answer = JSON.parse(body.toString('utf8'));
  return answer;
}

/** Which of several series with the same fault is named is not the same everywhere. */
function faultOf({ status, error = '' }: Answer): string {
  return `${status} ${error.replaceAll(/\{[^}]*\}/g, '{…}')}`;
}
