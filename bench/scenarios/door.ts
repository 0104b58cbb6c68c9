import { writeFile } from 'node:fs/promises';
import { startEnvoy } from '../../test/support/envoy.js';
import { fetchJson } from '../../test/support/http.js';
import { freePort } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { digest, makeBody } from '../body.js';
import { ENVOY_WORKERS } from '../contestant.js';
import type { Round, Running } from '../contestant.js';
import { connectAll, doorLoad, emulatedTargets, startSecureGateway } from '../contestants/secure.js';
import { stamps } from '../contestants/behind-envoy.js';
import { toStatic } from '../envoy-config.js';
import type { Json, JsonObject } from '../envoy-config.js';
import { findDescendant } from '../measure.js';
import { underLoad } from '../round.js';
import type { RoundResult } from '../round.js';
import { median } from '../statistics.js';
import { figure } from '../table.js';
import { DOOR_VARIANTS } from './door-variants.js';
import type { DoorVariant } from './door-variants.js';
import { agentNames } from './scenario.js';
import type { Finding, Scenario, ScenarioContext } from './scenario.js';

/**
 * What each part of the scrape door costs Envoy. One gateway with its agents; before it, at the same time, an Envoy for each variant of the door,
 * made from what the gateway's own Envoy says that it has. Load goes to them in turn, in short windows, so that all meet the same machine, the
 * same hub, the same tunnels. The gateway's own Envoy carries nothing but the tunnels, and shows what these cost.
 */
export const doorScenario: Scenario = { name: 'door', what: "CPU of Envoy for each part of the scrape door, and of the tunnels' passage", run };

const AGENTS = 100;
const CONNECTIONS = 50;
const BODY_BYTES = 6144;
const WARM_UP_SECONDS = 1;
/** As `scrapeway up` starts Envoy. */
const SHIPPED_LOG_FLUSH_MS = 1000;

interface Door {
  readonly variant: DoorVariant;
  readonly envoyPid: number;
  readonly load: Running['load'];
  readonly rounds: RoundResult[];
}

async function run({ dir: runDir, rounds, seconds, agents: wanted, print }: ScenarioContext): Promise<Finding> {
  await using started = new AsyncDisposableStack();
  const dir = started.use(await createTempDir()).path;
  const agents = agentNames(wanted ?? AGENTS);
  const body = makeBody(BODY_BYTES).gzipped;
  const bodyFile = `${runDir}/body.gz`;
  await writeFile(bodyFile, body);
  const round: Round = { dir, runDir, agents, bodyFile };
  const secure = await startSecureGateway(round, started);
  const tunnelsEnvoyPid = findDescendant(secure.gateway.process.pid, 'envoy');
  const running = await connectAll(round, started, { ...secure, envoyPid: tunnelsEnvoyPid, ports: secure.gateway.ports });
  const dump = await fetchJson<Json>({ url: 'http://admin/config_dump?include_eds', socketPath: `${dir}/run/admin.sock` });
  const doors: Door[] = [];
  for (const variant of DOOR_VARIANTS) {
    const port = await freePort();
    const own = started.use(await createTempDir()).path;
    const adminSocket = `${own}/admin.sock`;
    const bootstrap: JsonObject = variant.change(toStatic({ dump, adminSocket, ports: { scrape: port }, privateKeyFile: secure.certificates.gateway.keyFile }));
    const envoy = started.use(await startEnvoy({ bootstrap: JSON.stringify(bootstrap), adminSocket, dir: own, concurrency: variant.concurrency ?? ENVOY_WORKERS, logFlushMs: SHIPPED_LOG_FLUSH_MS }));
    await envoy.waitUntilReady();
    doors.push({ variant, envoyPid: envoy.process.pid, rounds: [], load: doorLoad({ targets: emulatedTargets(agents), certificates: secure.certificates, port, tls: variant.plain !== true, ...(variant.stamped === true && { stamps }) }) });
  }
  const others = [{ role: 'agents', pid: running.agentsPid }];
  let lost = 0;
  for (let window = 1; window <= rounds; window += 1) {
    const results = new Map<Door, RoundResult>();
    for (const door of doors) {
      const servers = [
        { role: 'door', pid: door.envoyPid },
        { role: 'tunnels', pid: tunnelsEnvoyPid },
        { role: 'gateway', pid: secure.gateway.process.pid },
      ];
      try {
        results.set(door, await underLoad(servers, others, { ...door.load, connections: CONNECTIONS, bodyDigest: digest(body), warmUpSeconds: WARM_UP_SECONDS, seconds }, dir));
      } catch (error) {
        print(`${door.variant.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    // Only what all have passed can be compared: a scrape that fails on a machine that others have taken spoils its window.
    if (results.size < doors.length) lost += 1;
    else for (const [door, result] of results) door.rounds.push(result);
    const [whole] = results.values();
    print(`window ${window} of ${rounds}: ${whole === undefined ? 'lost' : `whole ${figure(cpu(whole, 'door'))} µs in Envoy`}`);
  }
  if (lost === rounds) throw new Error('no window in which all variants worked');
  return finding(doors, lost);
}

function cpu({ processes }: RoundResult, role: string): number {
  return processes.find((process) => process.role === role)?.cpuUsPerScrape ?? 0;
}

function finding(doors: readonly Door[], lost: number): Finding {
  const whole = doors[0]?.rounds ?? [];
  const rows = doors.map(({ variant, rounds }) => {
    const saved = rounds.map((each, index) => cpu(whole[index] ?? each, 'door') - cpu(each, 'door')).toSorted((a, b) => a - b);
    return [
      variant.name,
      figure(median(rounds.map((each) => cpu(each, 'door')))),
      `${figure(median(saved))} (${figure(saved[0] ?? 0)} to ${figure(saved.at(-1) ?? 0)})`,
      figure(median(rounds.map((each) => cpu(each, 'tunnels')))),
      figure(median(rounds.map((each) => cpu(each, 'gateway')))),
      figure(median(rounds.map(({ scrapesPerSecond }) => scrapesPerSecond))),
    ];
  });
  return {
    head: ['door', 'Envoy µs/scrape, the door', 'less than the whole, µs (range)', "Envoy µs/scrape, tunnels' passage", 'gateway µs/scrape', 'scrapes/s'],
    rows,
    notes: [
      'Medians; the difference is the median of the differences within a window, with the smallest and the largest. The second `whole` shows what is noise.',
      ...(lost === 0 ? [] : [`${lost} windows were thrown away, since a scrape failed in them.`]),
      `Two Envoys stand in the place of one: a scrape wakes one for the door and one for the tunnel.`,
    ],
    data: doors.map(({ variant, rounds }) => ({ variant: variant.name, rounds })),
  };
}
