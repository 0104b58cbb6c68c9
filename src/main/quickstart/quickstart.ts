/**
 * The quick start behind `npm start`: the main job on real parts. An Envoy with the gateway, two agents of two tenants at sites
 * of their own, real exporters behind them, and a real Prometheus that scrapes them through the gateway.
 *
 * It is an ordinary deployment that writes its own configuration files and starts the shipped commands; nothing in the product
 * knows of it.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { hash } from '@node-rs/bcrypt';
import { environment } from '../environment.js';
import { complain, parseCommandLine, print } from '../command.js';
import { formatRows, prometheusRows, refusalRow } from './check.js';
import type { CheckRow } from './check.js';
import { createChildren, endLeftovers } from './children.js';
import type { Children } from './children.js';
import { agentYaml, gatewayYaml, prometheusYaml } from './configs.js';
import { freePorts, layoutOf } from './layout.js';
import type { Layout, Ports } from './layout.js';
import { issueQuickstartCertificates } from './certificates.js';

const CHECK_TIMEOUT_MS = 60_000;
const READY_TIMEOUT_MS = 20_000;
const POLL_MS = 100;

interface Binaries {
  readonly prometheus: string;
  readonly nodeExporter: string;
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseCommandLine(argv, { check: { type: 'boolean', default: false }, state: { type: 'string', default: '.state' } });
  const layout = layoutOf(resolve(values.state));
  const binaries = findBinaries();
  if (binaries === undefined) return 2;
  mkdirSync(layout.stateDir, { recursive: true, mode: 0o700 });
  endLeftovers(layout.pidFile, layout.stateDir);
  const ports = await freePorts();
  const password = await writeFiles(layout, ports);

  const stopped = Promise.withResolvers<number>();
  const children = createChildren(layout.logDir, layout.pidFile, (name, how) => {
    complain(`${name} ended (${how}); the end of ${relative('.', children.logFile(name))}:\n${tail(children.logFile(name))}`);
    stopped.resolve(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.resolve(0));
  // The process that started us was killed: nobody is left to press Ctrl-C.
  process.once('disconnect', () => stopped.resolve(0));
  try {
    const up = startAll(children, layout, ports, binaries).then(() => untilUp(layout, ports));
    const ready = await Promise.race([up, stopped.promise.then(() => undefined)]);
    if (ready === undefined) return await stopped.promise;
    print(`\n${formatRows(ready)}\n`);
    if (values.check || !ready.every((row) => row.ok)) return ready.every((row) => row.ok) ? 0 : failed(layout);
    print(screen(layout, ports, password));
    return await stopped.promise;
  } finally {
    print('stopping …');
    await children.stopAll();
  }
}

function findBinaries(): Binaries | undefined {
  const { prometheusBin, nodeExporterBin } = environment().binaries;
  if (prometheusBin !== undefined && nodeExporterBin !== undefined) return { prometheus: prometheusBin, nodeExporter: nodeExporterBin };
  complain('PROMETHEUS_BIN and NODE_EXPORTER_BIN must name the binaries; `npm start` finds or fetches them');
  return undefined;
}

/** Certificates, secrets and configuration files; returns team-a's password. Certificates and secrets are kept from run to run. */
async function writeFiles(layout: Layout, ports: Ports): Promise<string> {
  for (const dir of [layout.logDir, layout.runDir, textfileDir(layout)]) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }
  if (!existsSync(layout.teamAPasswordFile)) writeFileSync(layout.teamAPasswordFile, randomBytes(12).toString('base64url'), { mode: 0o600 });
  const password = readFileSync(layout.teamAPasswordFile, 'utf8');
  await issueQuickstartCertificates(layout.pkiDir);
  writeFileSync(layout.gatewayConfig, gatewayYaml(layout, ports, await hash(password, { cost: 10 })), { mode: 0o600 });
  writeFileSync(
    layout.agentAConfig,
    agentYaml(layout, ports, {
      agent: 'site-a',
      statusPort: ports.agentAStatus,
      targets: [
        { name: 'node', url: `http://127.0.0.1:${ports.nodeA}/metrics`, labels: { env: 'prod' } },
        { name: 'prometheus', url: `http://127.0.0.1:${ports.prometheus}/metrics`, labels: { env: 'prod' } },
        { name: 'agent', url: `http://127.0.0.1:${ports.agentAStatus}/metrics`, labels: { env: 'dev' } },
      ],
    }),
  );
  writeFileSync(
    layout.agentBConfig,
    agentYaml(layout, ports, {
      agent: 'site-b',
      statusPort: ports.agentBStatus,
      targets: [
        { name: 'node', url: `http://127.0.0.1:${ports.nodeB}/metrics`, labels: { env: 'prod' } },
        { name: 'agent', url: `http://127.0.0.1:${ports.agentBStatus}/metrics`, labels: { env: 'dev' } },
      ],
    }),
  );
  writeFileSync(layout.prometheusConfig, prometheusYaml(layout, ports));
  return password;
}

function textfileDir(layout: Layout): string {
  return `${layout.runDir}/textfile`;
}

/** In the order in which each finds the one before it: whoever comes too early waits for its own next try. */
async function startAll(children: Children, layout: Layout, ports: Ports, binaries: Binaries): Promise<void> {
  const scrapeway = new URL('../scrapeway.js', import.meta.url).pathname;
  const node = (args: readonly string[]): readonly string[] => [scrapeway, ...args];
  for (const [name, port] of [['node-exporter-a', ports.nodeA], ['node-exporter-b', ports.nodeB]] as const) {
    // the folder is in the state folder: that is also how a leftover is known as ours
    children.start(name, binaries.nodeExporter, [`--web.listen-address=127.0.0.1:${port}`, `--collector.textfile.directory=${textfileDir(layout)}`]);
  }
  children.start('gateway', process.execPath, node(['up', '-c', layout.gatewayConfig]));
  await untilReady(ports.gatewayStatus);
  children.start('agent-a', process.execPath, node(['agent', '-c', layout.agentAConfig]));
  children.start('agent-b', process.execPath, node(['agent', '-c', layout.agentBConfig]));
  await Promise.all([untilReady(ports.agentAStatus), untilReady(ports.agentBStatus)]);
  children.start('prometheus', binaries.prometheus, [
    `--config.file=${layout.prometheusConfig}`,
    `--storage.tsdb.path=${layout.prometheusData}`,
    '--storage.tsdb.retention.time=1d',
    `--web.listen-address=127.0.0.1:${ports.prometheus}`,
  ]);
}

/** Asks `/readyz` until it says so, or gives up: what does not come up is told by `untilUp`. */
async function untilReady(statusPort: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isReady(statusPort)) && performance.now() < deadline) await new Promise((wake) => setTimeout(wake, POLL_MS));
}

async function isReady(statusPort: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${statusPort}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** Polls until every row is ok or the time is up; the last look either way. */
async function untilUp(layout: Layout, ports: Ports): Promise<readonly CheckRow[]> {
  const deadline = performance.now() + CHECK_TIMEOUT_MS;
  process.stdout.write('waiting for Prometheus to report every target up ');
  for (;;) {
    const rows = [...(await prometheusRows(ports)), await refusalRow(layout, ports)];
    if (rows.every((row) => row.ok) || performance.now() > deadline) return rows;
    process.stdout.write('.');
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

function failed(layout: Layout): number {
  complain(`not everything came up in ${CHECK_TIMEOUT_MS / 1000} s; logs are in ${relative('.', layout.logDir)}`);
  return 1;
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-8).join('\n') : '';
}

function screen(layout: Layout, ports: Ports, password: string): string {
  const state = relative('.', layout.stateDir);
  const ca = `--cacert ${state}/pki/server-ca.crt`;
  const gateway = `https://localhost:${ports.scrape}`;
  const teamB = `--cert ${state}/pki/clients/team-b.crt --key ${state}/pki/clients/team-b.key`;
  return `Running:
  Prometheus        http://localhost:${ports.prometheus}/targets   (try the query: up)
  gateway, scrapes  ${gateway}        agents dial localhost:${ports.agents}
  gateway, status   http://localhost:${ports.gatewayStatus}/metrics  /healthz  /readyz
  site-a, team-a    node, prometheus, agent      site-b, team-b    node, agent
  configuration     ${state}/*.yaml, prometheus.yml      logs, audit log   ${state}/log/

Try:
  # what team-a may scrape, as Prometheus discovers it
  curl ${ca} -u team-a:${password} ${gateway}/sd
  # a scrape by path, through Envoy, the tunnel and the agent
  curl -s ${ca} -u team-a:${password} ${gateway}/scrape/site-a/node | head -n 5
  # the same as a forward proxy, as proxy_url does it, for team-b with its certificate
  curl -s --proxy ${gateway} --proxy-cacert ${state}/pki/server-ca.crt --proxy-cert ${state}/pki/clients/team-b.crt --proxy-key ${state}/pki/clients/team-b.key http://node.site-b.scrapeway:${ports.nodeB}/metrics | head -n 5
  # team-a at team-b's target: refused, and the header says why
  curl -i ${ca} -u team-a:${password} ${gateway}/scrape/site-b/node
  # team-b may
  curl -s ${ca} ${teamB} ${gateway}/scrape/site-b/node | head -n 5
  # the audit line of each request
  tail -n 3 ${state}/log/access.jsonl

Ctrl-C stops everything.`;
}

process.exit(await main(process.argv.slice(2)));
