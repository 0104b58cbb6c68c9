import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Pool } from 'undici';
import { eventually } from './eventually.js';
import { PASSWORD } from './world.js';
import type { World } from './world.js';

/**
 * What must not notice anything: a hundred scrapes of team-a at site-a in flight at any time, each compared byte for byte.
 */

export interface GoodScrapes {
  /** What went wrong, a line each. */
  readonly failures: readonly string[];
  /** Waits until so many more have come back. */
  another(count: number): Promise<void>;
  stop(): Promise<void>;
}

const IN_FLIGHT = 100;

export async function startGoodScrapes(world: World): Promise<GoodScrapes> {
  const body = randomBytes(6000);
  // in pieces, so that there is always one half done
  world.siteA.exporter.behave({ kind: 'drip', body, pieceBytes: 2000, everyMs: 15 });
  const pool = new Pool(world.gateway.scrapeUrl, { connections: IN_FLIGHT, connect: { ca: await readFile(world.pki.serverCaFile), servername: 'localhost' } });
  const headers = { authorization: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`, 'x-prometheus-scrape-timeout-seconds': '60' };
  const failures: string[] = [];
  let count = 0;
  let stopped = false;
  const scrapeOn = async (): Promise<void> => {
    while (!stopped) {
      try {
        const answer = await pool.request({ path: '/scrape/site-a/web', method: 'GET', headers });
        const received = Buffer.from(await answer.body.arrayBuffer());
        // says that the machine was too busy for an authorization in its time, whatever agents did
        if (answer.headers['x-scrapeway-reason'] === 'authz_unavailable') continue;
        if (answer.statusCode !== 200) failures.push(`${answer.statusCode} ${received.toString().trim()}`);
        else if (!received.equals(body)) failures.push(`${received.length} bytes, not those that were sent`);
      } catch (error) {
        failures.push(String(error));
      }
      count += 1;
    }
  };
  const running = Promise.all(Array.from({ length: IN_FLIGHT }, () => scrapeOn()));
  return {
    failures,
    another: async (more) => {
      const goal = count + more;
      await eventually(() => {
        if (count < goal) throw new Error(`${goal - count} scrapes have still to come back`);
      }, { timeoutMs: 60_000 });
    },
    stop: async () => {
      stopped = true;
      await running;
      await pool.close();
    },
  };
}
