import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectDir } from './project.js';

/**
 * A site behind a WAN: a network namespace, and a link to it that delays and loses packets (wan-link.pl), so that TCP itself is under
 * test. A second link without faults is for the test's own questions.
 */

/** Which packets a fault takes. */
export type Ways = keyof typeof WAYS;
const WAYS = { none: 0, 'to the site': 1, 'to the gateway': 2, both: 3 } as const;

export interface Wan extends AsyncDisposable {
  readonly namespace: string;
  /** Of the machine, as the site sees it through the WAN. */
  readonly gatewayAddress: string;
  /** Of the site, past the WAN. */
  readonly siteAddress: string;
  /** Of what the site sends from now on, whatever is the machine's own: `cubic`, `bbr`. */
  setCongestionControl(name: string): Promise<void>;
  shape(change: { readonly rttMs?: number; readonly lossPercent?: number; readonly silent?: Ways; readonly noReset?: Ways }): void;
}

const run = promisify(execFile);

/** Why there can be no such link here; undefined: there can. */
export function wanObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    execFileSync('perl', ['-MTime::HiRes', '-e', '1'], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'add', `scrapeway-try-${process.pid}`], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'del', `scrapeway-try-${process.pid}`], { stdio: 'ignore' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Root only; see `wanObstacle`. */
export async function startWan(): Promise<Wan> {
  const id = process.pid % 60_000;
  const namespace = `scrapeway-${id}`;
  const [near, far, asked, answers] = [`swn${id}`, `swf${id}`, `swq${id}`, `swa${id}`];
  const subnet = `10.${100 + (id % 100)}.${Math.floor(id / 100) % 250}`;
  const ip = (...args: readonly string[]): Promise<unknown> => run('ip', args);
  await using undo = new AsyncDisposableStack();
  await ip('netns', 'add', namespace);
  undo.defer(async () => void (await ip('netns', 'del', namespace)));
  const link = spawn('perl', [path.join(projectDir, 'test/support/wan-link.pl'), near, far], { stdio: ['pipe', 'pipe', 'inherit'] });
  undo.defer(async () => {
    const ended = once(link, 'exit');
    link.stdin.end();
    await ended;
  });
  await once(link.stdout, 'data');
  await ip('link', 'set', far, 'netns', namespace);
  await ip('link', 'add', asked, 'type', 'veth', 'peer', 'name', answers, 'netns', namespace);
  // the namespace takes its end along, but not at once
  undo.defer(async () => void (await ip('link', 'del', asked)));
  for (const [device, address, where] of [[near, `${subnet}.1/30`, []], [far, `${subnet}.2/30`, ['-n', namespace]], [asked, `${subnet}.5/30`, []], [answers, `${subnet}.6/30`, ['-n', namespace]]] as const) {
    await ip(...where, 'address', 'add', address, 'dev', device);
    await ip(...where, 'link', 'set', device, 'up');
  }
  await ip('-n', namespace, 'link', 'set', 'lo', 'up');
  const stack = undo.move();
  return {
    namespace,
    gatewayAddress: `${subnet}.1`,
    siteAddress: `${subnet}.6`,
    // by the route: the namespace's setting takes only what the machine's own allows everybody
    setCongestionControl: async (name) => void (await ip('-n', namespace, 'route', 'change', `${subnet}.0/30`, 'dev', far, 'src', `${subnet}.2`, 'congctl', name)),
    shape: ({ rttMs, lossPercent, silent, noReset }) => {
      if (rttMs !== undefined) link.stdin.write(`delay ${rttMs / 2}\n`);
      if (lossPercent !== undefined) link.stdin.write(`loss ${lossPercent}\n`);
      if (silent !== undefined) link.stdin.write(`silence ${WAYS[silent]}\n`);
      if (noReset !== undefined) link.stdin.write(`noreset ${WAYS[noReset]}\n`);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
