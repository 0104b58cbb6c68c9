import { readFile, writeFile } from 'node:fs/promises';
import { startAgent } from '../../test/support/agent.js';
import { freePort } from '../../test/support/ports.js';
import { eventually } from '../../test/support/eventually.js';
import { fetchRaw } from '../../test/support/http.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest, makeBody } from '../body.js';
import { START_TIMEOUT_MS } from '../contestant.js';
import { BASIC_AUTHORIZATION, certificatesFor, startSecureGateway } from '../contestants/secure.js';
import { startTarget } from '../contestants/without-tunnel.js';
import { median } from '../statistics.js';
import { figure } from '../table.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/**
 * From the start of `scrapeway up` to the first scrape that is answered: the control plane reads its configuration, Envoy starts and is told everything,
 * and the agent, which has been trying all the while with a real agent's pauses, finds its gateway.
 */
export const startScenario: Scenario = { name: 'start', what: 'from the start of the control plane to the first scrape', run };

const AGENTS = 1000;
const BODY_BYTES = 6144;

interface Sample {
  readonly readyMs: number;
  readonly scrapeMs: number;
}

async function run({ dir: runDir, rounds, agents: wanted, print }: ScenarioContext): Promise<Finding> {
  const agents = agentNames(wanted ?? AGENTS);
  const [name = ''] = agents;
  const body = makeBody(BODY_BYTES).gzipped;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, body);
  const certificates = await certificatesFor(`${runDir}/pki`, agents.slice(0, 1));
  const ca = await readFile(certificates.serverCaFile);
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    await using started = new AsyncDisposableStack();
    const dir = started.use(await createTempDir()).path;
    const { port } = await startTarget({ dir, bodyFile }, started);
    const ports = { scrape: await freePort(), agents: await freePort() };
    const certificate = { certificateFile: `${runDir}/pki/agents/${name}.crt`, keyFile: `${runDir}/pki/agents/${name}.key` };
    started.use(await startAgent({ dir, pki: certificates, certificate, name, gatewayPort: ports.agents, targets: [{ name: 'node', url: `http://127.0.0.1:${port}/metrics` }] }));
    const startedMs = performance.now();
    await startSecureGateway({ dir, runDir, agents, bodyFile }, started, ports, agents.slice(0, 1));
    const readyMs = performance.now() - startedMs;
    await eventually(
      async () => {
        const answer = await fetchRaw({ url: `https://localhost:${ports.scrape}/scrape/${name}/node`, headers: { authorization: BASIC_AUTHORIZATION }, tls: { ca } });
        if (answer.status !== 200 || digest(answer.body) !== digest(body)) throw new Error(`status ${answer.status}`);
      },
      { timeoutMs: START_TIMEOUT_MS, intervalMs: 10, what: 'the first scrape' },
    );
    samples.push({ readyMs, scrapeMs: performance.now() - startedMs });
    print(`round ${round} of ${rounds}: ${figure(samples.at(-1)?.scrapeMs ?? 0)} ms`);
  }
  return {
    head: ['configured agents', 'ready, ms', 'first scrape, ms', 'fastest', 'slowest'],
    rows: [
      [
        String(agents.length),
        figure(median(samples.map(({ readyMs }) => readyMs))),
        figure(median(samples.map(({ scrapeMs }) => scrapeMs))),
        figure(Math.min(...samples.map(({ scrapeMs }) => scrapeMs))),
        figure(Math.max(...samples.map(({ scrapeMs }) => scrapeMs))),
      ],
    ],
    notes: ['From the start of the process, Node and Envoy included. The agent tries by itself with growing random pauses, which is most of the spread.'],
    data: samples,
  };
}
