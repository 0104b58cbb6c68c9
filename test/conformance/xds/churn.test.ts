import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { Registry } from 'prom-client';
import { silentLogger } from '../../../src/lib/logger.js';
import { listenOnUnixSocket } from '../../../src/lib/unix-socket.js';
import { bootstrapYaml } from '../../../src/xds/bootstrap.js';
import { createControlPlane } from '../../../src/xds/control-plane.js';
import type { ControlPlane } from '../../../src/xds/control-plane.js';
import { createTestPki } from '../../support/certificates.js';
import { startEnvoy } from '../../support/envoy.js';
import type { RunningEnvoy } from '../../support/envoy.js';
import { eventually } from '../../support/eventually.js';
import { createTempDir } from '../../support/temp-dir.js';
import { ChurnWorld, PATHS, seededRandom } from './churn-world.js';
import { held, readable, wantedOf } from './config-dump.js';
import type { HeldResource } from './config-dump.js';
import { certificatePems } from './envoy-under-test.js';

/**
 * Rule 20 on the real Envoy under load: listeners, certificates, routes, clusters and endpoints change at random, the control
 * plane is killed and comes back in between, and no request fails. Longer runs: XDS_CHURN_CHANGES, XDS_CHURN_SEED.
 */
const CHANGES = Number(process.env['XDS_CHURN_CHANGES'] ?? 150);
const SEED = Number(process.env['XDS_CHURN_SEED'] ?? 1);
const RESTART_EVERY = 40;
const WORKERS = 4;

const REFUSALS = [/^cluster_manager\.cds\.update_rejected$/, /^listener_manager\.lds\.update_rejected$/, /\.rds\..*\.update_rejected$/, /^sds\..*\.update_rejected$/, /^cluster\..*\.update_rejected$/];

describe('rule-20-make-before-break on the real Envoy', () => {
  it(
    `${CHANGES} random changes under load, with restarts of the control plane: no request fails, nothing is refused, Envoy has what was wanted`,
    async () => {
      await using stack = new AsyncDisposableStack();
      const dir = stack.use(await createTempDir());
      const upstreams = [dir.join('up-0.sock'), dir.join('up-1.sock')];
      for (const path of upstreams) {
        const server = createServer((_request, response) => response.end('ok'));
        await listenOnUnixSocket(server, path);
        stack.defer(async () => {
          server.closeAllConnections();
          server.close();
          await once(server, 'close');
        });
      }
      const random = seededRandom(SEED);
      const certificates = [];
      for (const name of ['one', 'two']) certificates.push(await certificatePems((await createTestPki(dir.join(name))).gateway));
      const world = new ChurnWorld({ upstreams, certificates, random });

      const registry = new Registry();
      let controlPlane: ControlPlane = await start();
      stack.defer(() => controlPlane.close());
      function start(): Promise<ControlPlane> {
        registry.clear();
        return createControlPlane({ socketPath: dir.join('xds.sock'), logger: silentLogger, registry });
      }
      let nacks = 0;
      const countNacks = async (): Promise<void> => {
        for (const { value } of (await registry.getSingleMetric('scrapeway_xds_nacks_total')?.get())?.values ?? []) nacks += value;
      };

      expectOk(controlPlane.publishResources(world.wanted));
      const envoy = stack.use(
        await startEnvoy({
          bootstrap: bootstrapYaml({ nodeId: 'churn', runtimeDir: dir.path, maxConnections: 1_000, maxScrapeConnections: 500 }),
          adminSocket: dir.join('admin.sock'),
          dir: dir.path,
          args: ['--drain-time-s', '5'],
        }),
      );
      await envoy.waitUntilReady();
      expectOk(await controlPlane.whenAcked(10_000));
      const load = startLoad(await portOf(envoy, 'main'));

      const done: string[] = [];
      while (done.length < CHANGES) {
        done.push(world.change());
        expectOk(controlPlane.publishResources(world.wanted));
        // Bursts that coalesce, changes that meet others half way, and quiet moments.
        const pause = random();
        if (pause < 0.3) expectOk(await controlPlane.whenAcked(10_000));
        else if (pause < 0.8) await load.answers(1 + Math.floor(pause * 10));
        if (done.length % RESTART_EVERY === 0) {
          await countNacks();
          await controlPlane.close();
          await load.answers(20);
          world.change(); // while nobody could be told
          controlPlane = await start();
          expectOk(controlPlane.publishResources(world.wanted));
        }
      }
      expectOk(await controlPlane.whenAcked(20_000));
      await load.answers(20);
      await countNacks();
      const { failures, count } = await load.stop();

      expect(failures).toEqual([]);
      expect(count).toBeGreaterThan(CHANGES);
      expect(new Set(done).size).toBeGreaterThanOrEqual(Math.min(9, CHANGES / 10));
      expect(nacks).toBe(0);
      const refused = [...(await envoy.stats(''))].filter(([name, value]) => value > 0 && REFUSALS.some((pattern) => pattern.test(name)));
      expect(refused).toEqual([]);
      // A removed listener stays in the dump for as long as it drains.
      await eventually(async () => expect(comparable(await held(envoy))).toEqual(comparable(wantedOf(world.wanted))));
      expect(await envoy.admin('clusters')).not.toContain('warming');
    },
    60_000 + CHANGES * 300,
  );
});

function expectOk(result: { readonly ok: boolean; readonly error?: unknown }): void {
  if (!result.ok) throw new Error(JSON.stringify(result.error, null, 2));
}

/** Contents and versions; but Envoy keeps a listener's old version in its dump when only filter chains changed. */
function comparable(resources: ReadonlyMap<string, HeldResource>): unknown {
  return Object.fromEntries([...resources].map(([name, { version, message }]) => [name, { version: name.includes('Listener') ? '' : version, content: readable(message) }]));
}

interface ListenerStatuses {
  readonly listener_statuses: readonly { readonly name: string; readonly local_address: { readonly socket_address: { readonly port_value: number } } }[];
}

async function portOf(envoy: RunningEnvoy, listener: string): Promise<number> {
  const { listener_statuses: listeners } = await envoy.adminJson<ListenerStatuses>('listeners?format=json');
  const port = listeners.find(({ name }) => name === listener)?.local_address.socket_address.port_value;
  if (port === undefined) throw new Error(`Envoy has no listener ${listener}`);
  return port;
}

interface Load {
  /** Resolves after so many more answers. */
  answers(count: number): Promise<void>;
  stop(): Promise<{ readonly failures: readonly string[]; readonly count: number }>;
}

/** Requests one after the other on each of a few workers, each on a connection of its own. */
function startLoad(port: number): Load {
  const failures: string[] = [];
  const waiting = new Set<() => void>();
  const stopped = new AbortController();
  let count = 0;
  const worker = async (index: number): Promise<void> => {
    for (let turn = index; !stopped.signal.aborted; turn += 1) {
      const path = PATHS[turn % PATHS.length] ?? '/';
      const outcome = await get(port, path);
      count += 1;
      if (outcome !== '200 ok') failures.push(`${path}: ${outcome}`);
      for (const check of waiting) check();
    }
  };
  const workers = Array.from({ length: WORKERS }, (_, index) => worker(index));
  return {
    answers: (more) => {
      const target = count + more;
      return new Promise((resolve) => {
        const check = (): void => {
          if (count < target) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
      });
    },
    stop: async () => {
      stopped.abort();
      await Promise.all(workers);
      return { failures, count };
    },
  };
}

/** `200 ok`, or what went wrong. */
function get(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false, rejectUnauthorized: false, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body.slice(0, 200)}`));
      response.on('error', (error) => resolve(error.message));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in 10 s')));
    call.on('error', (error) => resolve(error.message));
    call.end();
  });
}
