import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackendGroup } from '../../../src/model/desired-state.js';
import { REASON_HEADER } from '../../../src/model/reasons.js';
import { fetchRaw } from '../../support/http.js';
import type { HttpAnswer } from '../../support/http.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { queryState, startQueryDoor } from '../../support/query-door.js';
import type { QueryDoor } from '../../support/query-door.js';
import { seeded } from './generate.js';
import { CLUSTERS, GROUP_QUESTIONS, groupQuestion, groupWorld } from './group-world.js';
import { remoteWrite } from './remote-write.js';
import type { Series } from './remote-write.js';
import { difference } from './same-answer.js';

/**
 * What a group of three real servers says must be what one server with all of their series says: of a corpus and of random questions
 * with a fixed seed, at a moment and over a range; where each member has series of its own, and where some series are in two of them.
 */

const SEED = 11;
const RANDOM_QUESTIONS = 150;
const AT_ONCE = 8;
const END = Math.floor(Date.now() / 60_000) * 60;
const RANGE = { start: `${END - 600}`, end: `${END}`, step: '60' };
const FOREIGN: Series = { labels: { __name__: 'x', ns: 'b', pod: '1', cluster: 'eu' }, samples: [{ timestampMs: END * 1000, value: 1e9 }], histograms: [] };

async function load(series: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] });
  await remoteWrite(server.url, series);
  return server;
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

describe('a group of backends, beside one server that has everything', () => {
  const all = groupWorld(END * 1000, SEED);
  let whole: RunningPrometheus;
  let members: readonly RunningPrometheus[] = [];
  let door: QueryDoor;

  beforeAll(async () => {
    const random = seeded(SEED);
    const own = CLUSTERS.map((cluster) => all.filter(({ labels }) => labels.cluster === cluster));
    const shared = CLUSTERS.map((_, index) => all.filter((__, at) => at % 3 === index || random() < 0.3));
    whole = await load(all);
    members = await Promise.all([...own, ...shared].map((series) => load([...series, FOREIGN])));
    const names = members.map((_, index) => `m${index}`);
    const state = queryState(members.map(({ url }, index) => ({ name: `m${index}`, url })), [{ name: 't', query: [{ backends: ['disjoint', 'overlapping'], metrics: ['.*'], labels: { ns: 'a' } }] }]);
    const groups: readonly BackendGroup[] = [
      { name: 'disjoint', members: names.slice(0, 3), disjointBy: ['cluster'], onFailure: 'fail' },
      { name: 'overlapping', members: names.slice(3), disjointBy: [], onFailure: 'fail' },
    ];
    door = await startQueryDoor({ ...state, backendGroups: groups });
  });
  afterAll(async () => {
    await door[Symbol.asyncDispose]();
    await Promise.all([whole, ...members].map((server) => server.stop()));
  });

  /** How the two differ, and whether there was something to compare. */
  async function compare(group: string, query: string): Promise<{ readonly differences: readonly string[]; readonly answered: boolean }> {
    const asks = [['query', { time: `${END - 30}` }], ['query_range', RANGE]] as const;
    const compared = await Promise.all(asks.map(async ([endpoint, times]) => {
      const expected = await fetchRaw({ url: whole.url, target: `/api/v1/${endpoint}?${new URLSearchParams({ query, ...times }).toString()}` });
      const answer = await door.post('t', `/query/${group}/api/v1/${endpoint}`, { query, ...times });
      if (answer.headers[REASON_HEADER] !== undefined) return { differences: [`${endpoint} ${query}: ${answer.body.toString('utf8')}`], answered: false };
      const [got, wanted] = [json(answer), json(expected)];
      const fault = difference(got.data, wanted.data, { inOrder: endpoint === 'query' && query.startsWith('sort') });
      const different = faultOf(got) === faultOf(wanted) ? fault : `${faultOf(got)}, not ${faultOf(wanted)}`;
      return { differences: different === undefined ? [] : [`${endpoint} ${query}: ${different}`], answered: wanted.status === 'success' && !JSON.stringify(wanted.data).includes('"result":[]') };
    }));
    return { differences: compared.flatMap(({ differences }) => differences), answered: compared.some(({ answered }) => answered) };
  }

  async function compareAll(group: string, queries: readonly string[]): Promise<readonly string[]> {
    const differences: string[] = [];
    let answered = 0;
    for (let from = 0; from < queries.length; from += AT_ONCE) {
      for (const one of await Promise.all(queries.slice(from, from + AT_ONCE).map((query) => compare(group, query)))) {
        differences.push(...one.differences);
        answered += Number(one.answered);
      }
    }
    expect(answered / queries.length).toBeGreaterThan(0.5);
    return differences;
  }

  it.each(['disjoint', 'overlapping'])('says of the corpus the same, %s', async (group) => {
    expect(await compareAll(group, GROUP_QUESTIONS)).toEqual([]);
  });

  it.each(['disjoint', 'overlapping'])('says of random questions the same, %s', async (group) => {
    const random = seeded(SEED);
    expect(await compareAll(group, Array.from({ length: RANDOM_QUESTIONS }, () => groupQuestion(random)))).toEqual([]);
  });
});

/** Which of several series with the same fault is named is not the same everywhere. */
function faultOf({ status, error = '' }: Answer): string {
  return `${status} ${error.replaceAll(/\{[^}]*\}/g, '{…}')}`;
}
