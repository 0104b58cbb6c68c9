import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'undici';
import { fetchRaw } from '../../support/http.js';
import { createOracle } from './oracle.js';
import type { Oracle } from './oracle.js';
import { FAMILIES } from './promql.js';
import { basic, CANARY, expectUnharmed, FORM, setStage, TENANTS, title } from './stage.js';
import type { Stage } from './stage.js';

/**
 * Whatever a tenant asks in PromQL, of a server or of a group, nothing of another's is in the answer, and nothing has reached a server that is not held to the
 * tenant's label. Where a server's answer is one, it is that of a server without the others' data.
 */

let stage: Stage;
let oracle: Oracle;
let pool: Pool;

beforeAll(async () => {
  stage = await setStage();
  oracle = createOracle(stage.shared.url);
  const { tls = {} } = stage.world.request(undefined, '/');
  pool = new Pool(`https://127.0.0.1:${stage.world.gateway.ports.scrape}`, { connections: 3, connect: { ca: [tls.ca ?? ''].flat().map(String), servername: 'localhost' } });
}, 90_000);
afterAll(async () => {
  await pool.close();
  await stage[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

async function query(tenant: string, path: string, form: string): Promise<Answer> {
  const { statusCode, statusText, headers, body } = await pool.request({ method: 'POST', path: `/query/${path}`, headers: { ...FORM, authorization: basic(tenant), host: 'localhost' }, body: form });
  const answer = { status: statusCode, head: `${statusText} ${JSON.stringify(headers)}`, body: await body.text() };
  expect(`${answer.head}\n${answer.body}`).not.toMatch(CANARY);
  return answer;
}

/** Of a successful answer; in one order, and without what is no part of the result. */
function resultOf(body: string): unknown {
  const { status, data }: { readonly status: string; readonly data?: { readonly resultType: string; readonly result: unknown } } = JSON.parse(body);
  if (status !== 'success' || data === undefined) return undefined;
  const { resultType, result } = data;
  const isList = Array.isArray(result) && (resultType === 'vector' || resultType === 'matrix');
  return { resultType, result: isList ? result.map((item) => JSON.stringify(item)).sort() : result };
}

describe('before the gateway stands', () => {
  it('a server that does tell everything', async () => {
    expect((await stage.shared.query('count({__name__=~".+"})')).length).toBe(1);
    for (const path of ['query?query=secret', 'metadata', 'rules', 'targets', 'status/config', 'label/token/values', `query_exemplars?query=requests_total&start=${stage.endS}&end=9e9`]) {
      expect((await fetchRaw({ url: `${stage.shared.url}/api/v1/${path}` })).body.toString()).toMatch(CANARY);
    }
  });

  it('an oracle that sees what is open', async () => {
    const asked = (url: string) => ({ method: 'GET', url, headers: {}, body: Buffer.alloc(0) });
    for (const url of ['/api/v1/query?query=secret', '/api/v1/query?query=x{ns="a"}+or+secret', '/api/v1/query?query=topk(scalar(secret),x{ns="a"})', '/api/v1/series', '/api/v1/series?match[]=x{ns="a"}&match[]=x', '/api/v1/status/config', '/api/v1/query?query=1&query=secret']) {
      expect(await oracle.faults([asked(encodeURI(decodeURI(url)))])).toHaveLength(1);
    }
    expect(await oracle.faults([asked('/api/v1/query?query=x%7Bns%3D%22a%22%7D')])).toEqual([]);
  });
});

describe.each(FAMILIES)('queries: $name', ({ queries }) => {
  it.each(queries.map((text) => ({ text, title: title(text) })))('$title', async ({ text }) => {
    const { endS } = stage;
    const evaluations = [
      ['query', { time: `${endS}` }],
      ['query_range', { start: `${endS - 600}`, end: `${endS}`, step: '60' }],
    ] as const;
    const [ofGroup = 'label'] = TENANTS.slice(text.length % TENANTS.length);
    await Promise.all([
      ...TENANTS.map(async (tenant, index) => {
        const [endpoint, times] = evaluations[(index + text.length) % 2] ?? evaluations[0];
        const form = new URLSearchParams({ query: text, ...times }).toString();
        const through = await query(tenant, `main/api/v1/${endpoint}`, form);
        if (through.status !== 200) return;
        const direct = await fetchRaw({ url: `${stage.own.url}/api/v1/${endpoint}`, method: 'POST', headers: FORM, body: form });
        expect(resultOf(through.body)).toEqual(resultOf(direct.body.toString()));
      }),
      query(ofGroup, 'both/api/v1/query', new URLSearchParams({ query: text, time: `${endS}` }).toString()),
    ]);
    expect(await oracle.faults(stage.takeSeen())).toEqual([]);
  });
});

it('after all that, the server has lost nothing, and its own owner sees what is hers', async () => {
  await expectUnharmed(stage);
});
