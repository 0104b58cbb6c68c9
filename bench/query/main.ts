/**
 * `npm run bench:query [-- --rounds 3 --seconds 1 --connections 8 --only QUESTION,…]`: what the query door costs beside asking the server
 * itself, a plain reverse proxy and prom-label-proxy (PROM_LABEL_PROXY_BIN; without it, left out). One Prometheus, every way to it at once,
 * measured in turn, round after round, then medians. All ways must give the same answer.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { remoteWrite } from '../../test/conformance/promql/remote-write.js';
import { fetchRaw } from '../../test/support/http.js';
import { projectDir } from '../../test/support/project.js';
import { startPrometheus } from '../../test/support/prometheus.js';
import type { RunningPrometheus } from '../../test/support/prometheus.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest } from '../body.js';
import { describeMachine } from '../machine.js';
import type { LoadOptions } from '../load.js';
import { underLoad } from '../round.js';
import type { RoundResult } from '../round.js';
import { startPaths } from './paths.js';
import type { Path } from './paths.js';
import { NAMESPACES, POLICIES, QUESTIONS, seriesOf } from './questions.js';
import type { Policy, Question } from './questions.js';
import { queryTable, SERVER_ROLE } from './report.js';
import type { Cell } from './report.js';
import { bytesOf } from './wire.js';

const WARM_UP_SECONDS = 0.5;
const text = { type: 'string' } as const;
const { rounds = '3', seconds = '1', connections = '8', only } = parseArgs({ options: { rounds: text, seconds: text, connections: text, only: text } }).values;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

class Way implements Cell {
  readonly alone: RoundResult[] = [];
  readonly loaded: RoundResult[] = [];
  readonly #question: Question;
  readonly #policy: Policy;
  readonly #path: Path;
  readonly #prometheus: RunningPrometheus;
  #load: Omit<LoadOptions, 'connections'> | undefined;

  constructor(asked: Question, policy: Policy, way: Path, prometheus: RunningPrometheus) {
    this.#question = asked;
    this.#policy = policy;
    this.#path = way;
    this.#prometheus = prometheus;
  }

  get question(): string {
    return this.#question.name;
  }

  get policy(): string {
    return this.#policy.name;
  }

  get path(): string {
    return this.#path.name;
  }

  /** Asks once; what it is told is what must always be told. Returns it in an order that all ways have in common. */
  async begin(): Promise<string> {
    const { host, port, tls, headers, request } = this.#path;
    const { method, path: target, form } = request(this.#question, this.#policy);
    const inUrl = method === 'GET';
    const answer = await fetchRaw({
      url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}`,
      target: inUrl ? `${target}?${form}` : target,
      method,
      headers: { ...Object.fromEntries(headers(this.#policy).map((line) => line.split(': '))), ...(inUrl ? {} : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': `${form.length}` }) },
      ...(inUrl ? {} : { body: form }),
      ...(tls === undefined ? {} : { tls: { ca: await readFile(tls.caFile), servername: tls.serverName } }),
    });
    if (answer.status !== 200) throw new Error(`${this.question}, ${this.policy}, ${this.path}: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
    const requests = [bytesOf({ method, path: target, form }, `${tls?.serverName ?? host}:${port}`, headers(this.#policy))];
    this.#load = { host, port, tls, requests, bodyDigest: digest(answer.body), warmUpSeconds: WARM_UP_SECONDS, seconds: Number(seconds) };
    return [...answer.body.toString()].toSorted().join('');
  }

  async measure(dir: string): Promise<void> {
    if (this.#load === undefined) return;
    const servers = [...this.#path.servers, { role: SERVER_ROLE, pid: this.#prometheus.process.pid }];
    this.alone.push(await underLoad(servers, [], { ...this.#load, connections: 1 }, dir));
    this.loaded.push(await underLoad(servers, [], { ...this.#load, connections: Number(connections) }, dir));
  }
}

/** All ways of one question under one policy agree. */
async function beginAll(ways: readonly Way[]): Promise<void> {
  const answers = new Map<string, string>();
  for (const way of ways) {
    const key = `${way.question}, ${way.policy}`;
    const answer = await way.begin();
    if ((answers.get(key) ?? answer) !== answer) throw new Error(`${key}: ${way.path} has another answer`);
    answers.set(key, answer);
  }
}

await using started = new AsyncDisposableStack();
const dir = started.use(await createTempDir());
const prometheus = started.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
for (const namespace of NAMESPACES) await remoteWrite(prometheus.url, seriesOf(namespace));
const machine = await describeMachine();
const paths = await startPaths(prometheus, dir.path, started);
if (!paths.some(({ name }) => name === 'prom-label-proxy')) print('prom-label-proxy: skipped: PROM_LABEL_PROXY_BIN is not set');
const questions = QUESTIONS.filter(({ name }) => only?.split(',').includes(name) ?? true);
const ways = questions.flatMap((question) => POLICIES.flatMap((policy) => paths.filter((way) => way.takes(policy)).map((way) => new Way(question, policy, way, prometheus))));
await beginAll(ways);
for (let round = 1; round <= Number(rounds); round += 1) {
  for (const way of ways) await way.measure(dir.path);
  print(`round ${round} of ${rounds}`);
}
const at = new Date().toISOString();
const cells: readonly Cell[] = ways.map(({ question, policy, path: name, alone, loaded }) => ({ question, policy, path: name, alone, loaded }));
const report = [
  `Medians of ${rounds} interleaved rounds of ${seconds} s; times with one request in flight, requests/s and CPU with ${connections}. ${machine.processors} processors (${machine.cpu}),`,
  `which Prometheus and the load generator share; Node ${machine.node}, Envoy ${machine.envoy}; load of the machine before: ${machine.loadBefore}.`,
  '',
  queryTable(cells),
  ...paths.map(({ name, what }) => `- ${name}: ${what}`),
  '',
].join('\n');
const base = path.join(projectDir, 'bench/results', `query-${at.replaceAll(/[:.]/g, '-')}`);
await mkdir(path.dirname(base), { recursive: true });
await writeFile(`${base}.json`, `${JSON.stringify({ at, rounds, seconds, connections, machine, cells }, null, 2)}\n`);
await writeFile(`${base}.md`, report);
print(`\n${report}\nwritten: ${path.relative(process.cwd(), base)}.{json,md}`);
