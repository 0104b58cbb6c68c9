import { expect } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { writeFile } from 'node:fs/promises';
import { remoteWrite } from '../../conformance/promql/remote-write.js';
import type { Series } from '../../conformance/promql/remote-write.js';
import { startExporter } from '../../support/exporter.js';
import { fetchRaw } from '../../support/http.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { startRecordingProxy } from '../../support/recording-proxy.js';
import type { RecordedRequest } from '../../support/recording-proxy.js';
import type { ConfigFile } from '../../support/scrapeway.js';
import { createTempDir } from '../../support/temp-dir.js';
import { PASSWORD, startWorld } from '../../support/world.js';
import type { World } from '../../support/world.js';

/**
 * What is attacked: a Prometheus with everything that may be asked of it, and everything switched on that must not be reached; two tenants' data, in which
 * each thing of the other's that can be told has `canary` or 424242 in it; a second one with the own data alone; and the whole gateway.
 */

export interface Stage extends AsyncDisposable {
  readonly world: World;
  /** Everybody's, behind the gateway. */
  readonly shared: RunningPrometheus;
  /** With the own data alone. */
  readonly own: RunningPrometheus;
  /** Between the gateway and what is everybody's: what was asked since the last time. */
  takeSeen(): readonly RecordedRequest[];
  /** Seconds since the epoch: until then both have what they have. */
  readonly endS: number;
}

/** Tenants, both with nothing but `ns="a"`: by a label, and by a union of rules. */
export const TENANTS = ['label', 'union'] as const;
export const CANARY = /canary|424242|4\.24242e/i;

const EXPERIMENTS = ['promql-experimental-functions', 'promql-extended-range-selectors', 'promql-binop-fill-modifiers'];
const FEATURES = ['exemplar-storage', 'search-api', ...EXPERIMENTS].join(',');
const MINUTES = 31;

type Labels = Readonly<Record<string, string>>;

function seriesUntil(endS: number) {
  const times = Array.from({ length: MINUTES }, (_, index) => (endS - 60 * (MINUTES - 1 - index)) * 1000);
  const floats = (labels: Labels, value: (minute: number) => number): Series => ({ labels, samples: times.map((timestampMs, minute) => ({ timestampMs, value: value(minute) })), histograms: [] });
  const native = (labels: Labels, scale: number): Series => ({ labels, samples: [], histograms: times.map((timestampMs, minute) => ({ timestampMs, buckets: [minute * scale, 2 * minute * scale], sum: minute * scale })) });
  const own = [
    floats({ __name__: 'x', ns: 'a', pod: '1', job: 'j' }, (minute) => minute),
    floats({ __name__: 'x', ns: 'a', pod: '2', job: 'j' }, (minute) => 2 * minute),
    floats({ __name__: 'y', ns: 'a', pod: '1', job: 'k' }, () => 7),
    floats({ __name__: 'buckets', ns: 'a', le: '1', job: 'j' }, (minute) => minute),
    floats({ __name__: 'buckets', ns: 'a', le: '+Inf', job: 'j' }, (minute) => 2 * minute),
    floats({ __name__: 'on', ns: 'a', job: 'j' }, () => 3),
    floats({ __name__: 'my.metric', ns: 'a', 'a.b': 'c' }, () => 4),
    native({ __name__: 'native', ns: 'a', job: 'j' }, 1),
  ];
  const theirs = [
    floats({ __name__: 'x', ns: 'b', pod: 'canary-pod', job: 'canary-job' }, () => 424_242),
    floats({ __name__: 'x', pod: 'canary-none', job: 'j' }, () => 424_242),
    floats({ __name__: 'x', ns: 'a|b', pod: 'canary-either', job: 'j' }, () => 424_242),
    floats({ __name__: 'x', ns: 'A', pod: 'canary-case', job: 'j' }, () => 424_242),
    floats({ __name__: 'x', ns: 'a\nb', pod: 'canary-line', job: 'j' }, () => 424_242),
    floats({ __name__: 'y', ns: 'b', pod: '1', job: 'k', canary_label: '1' }, () => 424_242),
    floats({ __name__: 'secret', ns: 'b', token: 'canary-token', job: 'j' }, () => 424_242),
    floats({ __name__: 'secret', ns: 'b', token: 'canary-other', job: 'j' }, (minute) => 424_242 + minute / 1000),
    floats({ __name__: 'canary_metric', ns: 'b', job: 'j' }, () => 424_242),
    floats({ __name__: 'my.metric', ns: 'b', 'canary.label': 'c' }, () => 424_242),
    ...['on', 'by', 'start', 'offset', 'step', 'sum', 'inf', 'and', 'fill', 'smoothed', 'target_info'].map((name) => floats({ __name__: name, ns: 'b', job: 'j', token: 'canary-keyword' }, () => 424_242)),
    floats({ __name__: 'buckets', ns: 'b', le: '424242', job: 'canary' }, () => 424_242),
    native({ __name__: 'native', ns: 'b', job: 'canary' }, 424_242),
  ];
  return { own, theirs };
}

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

function exposition(help: string, secret: string, trace: string): string {
  return `# HELP requests ${help}\n# TYPE requests counter\nrequests_total 5 # {trace_id="${trace}"} 1\n${secret}# EOF\n`;
}

/** Rules whose query, name, labels, annotations and alerts are another's. */
const RULES = {
  groups: [
    { name: 'theirs', rules: [
      { alert: 'ForeignRule', expr: 'secret{ns="b"} > 1', labels: { severity: 'canary-severity' }, annotations: { summary: 'canary is {{ $value }}' } },
      { record: 'canary:recorded', expr: 'sum(secret)' },
      { alert: 'Mixed', expr: 'x{ns="a"} > on () group_left () max(secret * 0)', annotations: { summary: 'canary' } },
      { alert: 'Templated', expr: 'x{ns="a"} > 0', annotations: { summary: '{{ query "secret" | first | value }} {{ "canary" }}' } },
      { alert: 'Joined', expr: 'absent(nothing{ns="a"}) or secret', annotations: { summary: 'canary' } },
    ] },
    { name: 'mine', rules: [{ alert: 'Own', expr: 'x{ns="a"} > 0', annotations: { summary: 'mine' } }] },
  ],
};

async function startShared(stack: AsyncDisposableStack): Promise<RunningPrometheus> {
  const dir = stack.use(await createTempDir());
  await writeFile(dir.join('rules.yml'), JSON.stringify(RULES));
  const exporter = async (body: string): Promise<string> => `127.0.0.1:${stack.use(await startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': OPEN_METRICS }, body: Buffer.from(body) } })).port}`;
  const job = (name: string, target: string, labels: Labels): unknown => ({ job_name: name, static_configs: [{ targets: [target], labels }] });
  const mine = await exporter(exposition('Requests.', '', 'own-trace'));
  const theirs = await exporter(exposition('canary help', '# HELP secret canary help\n# TYPE secret gauge\nsecret{token="canary-token"} 424242\n# HELP canary_metric canary help\n# TYPE canary_metric gauge\ncanary_metric 424242\n', 'canary-trace'));
  return stack.use(
    await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s', external_labels: { cluster: 'eu' } },
        rule_files: [dir.join('rules.yml')],
        scrape_configs: [job('mine', mine, { ns: 'a' }), job('theirs', theirs, { ns: 'b', token: 'canary-target' })],
      },
      args: ['--web.enable-remote-write-receiver', '--web.enable-admin-api', '--web.enable-lifecycle', `--enable-feature=${FEATURES}`],
    }),
  );
}

async function credentials(user: string): Promise<readonly ConfigFile[]> {
  return [{ basic: { user, passwordHash: await hash(PASSWORD, { cost: 4 }) } }];
}

export async function setStage(): Promise<Stage> {
  await using building = new AsyncDisposableStack();
  const endS = Math.floor(Date.now() / 60_000) * 60;
  const { own: ownSeries, theirs } = seriesUntil(endS);
  const [shared, own] = [await startShared(building), building.use(await startPrometheus({ config: { global: { evaluation_interval: '1s' } }, args: ['--web.enable-remote-write-receiver', `--enable-feature=${FEATURES}`] }))];
  await Promise.all([remoteWrite(shared.url, [...ownSeries, ...theirs]), remoteWrite(own.url, ownSeries), shared.waitForUp(2)]);
  const [first, second] = [building.use(await startRecordingProxy(shared.url)), building.use(await startRecordingProxy(shared.url))];
  const limits = { requestsPerSecond: 100_000, burst: 100_000 };
  const world = building.use(
    await startWorld({
      gateway: {
        backends: [{ name: 'main', url: first.url, features: EXPERIMENTS }, { name: 'second', url: second.url }, { name: 'hidden', url: shared.url }],
        backendGroups: [{ name: 'both', members: ['main', 'second'] }],
        tenants: [
          { name: 'label', credentials: await credentials('label'), limits, query: [{ backends: ['main', 'both'], metrics: ['.*'], labels: { ns: 'a' } }] },
          { name: 'union', credentials: await credentials('union'), limits, query: [{ backends: ['main', 'both'], metrics: ['x{job="j"}', 'x{pod="1"}', '[yn].*', '(my|buck).*', 'on', 'requests_total', 'up', 'ALERTS', '{job=~".+",pod=~".+"}'], labels: { ns: 'a' } }] },
          { name: 'team-a', credentials: await credentials('team-a') },
          { name: 'team-b', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-b' } }], query: [{ metrics: ['.*'], labels: { ns: 'b' } }] },
        ],
      },
    }),
  );
  const parts = building.move();
  return { world, shared, own, endS, takeSeen: () => [...first.take(), ...second.take()].filter((request) => !isHealthCheck(request)), [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
export const basic = (tenant: string): string => `Basic ${Buffer.from(`${tenant}:${PASSWORD}`).toString('base64')}`;
/** Of an attack, as long as a line can be. */
export const title = (text: string): string => (text.length > 100 ? `${JSON.stringify(text.slice(0, 100))}… (${text.length})` : JSON.stringify(text));

export async function expectUnharmed({ shared, world, endS }: Stage): Promise<void> {
  expect(await shared.query(`count(secret @ ${endS})`)).toMatchObject([{ value: [expect.anything(), '2'] }]);
  const answer = await world.ask('team-b', `/query/main/api/v1/query?query=secret&time=${endS}`);
  expect(answer.body.toString()).toMatch(CANARY);
  expect((await fetchRaw({ url: `${shared.url}/-/ready` })).status).toBe(200);
}

/** Envoy's own, of a backend's servers: whoever sends such a word through the door does not have it there. */
function isHealthCheck({ url, headers }: RecordedRequest): boolean {
  return url === '/-/ready' && headers['user-agent'] === 'Envoy/HC';
}
