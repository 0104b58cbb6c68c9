import type { RoundResult } from '../round.js';
import { medianRound } from '../summary.js';
import { figure, markdownTable } from '../table.js';

/** The figures of a run as a table: a line for each way of each question. Pure. */

export interface Cell {
  readonly question: string;
  readonly policy: string;
  readonly path: string;
  /** One request at a time: what the way adds. */
  readonly alone: readonly RoundResult[];
  /** As many at once as there are connections: what it can. */
  readonly loaded: readonly RoundResult[];
}

const HEAD = ['question, rules, way', 'p50 ms', 'added ms', 'p99 ms', 'requests/s', 'CPU µs/request, Prometheus', 'of Envoy', 'of the proxy, door or gateway'];
/** Who asked the server itself, of whom all others differ. */
export const DIRECT = 'direct';
export const SERVER_ROLE = 'Prometheus';

export function queryTable(cells: readonly Cell[]): string {
  return markdownTable(HEAD, cells.map((cell) => row(cell, cells)));
}

function row(cell: Cell, cells: readonly Cell[]): readonly string[] {
  const name = `${cell.question}, ${cell.policy}, ${cell.path}`;
  const [alone, loaded] = [medianRound(cell.alone), medianRound(cell.loaded)];
  if (alone === undefined || loaded === undefined) return [name];
  const direct = medianRound(cells.find((other) => other.question === cell.question && other.policy === cell.policy && other.path === DIRECT)?.alone ?? []);
  const servers = loaded.processes.filter(({ side }) => side === 'server');
  const cpu = (isMeant: (role: string) => boolean): string => {
    const meant = servers.filter(({ role }) => isMeant(role));
    return meant.length === 0 ? '–' : figure(meant.reduce((sum, { cpuUsPerScrape }) => sum + cpuUsPerScrape, 0));
  };
  return [
    name,
    precise(alone.p50Ms),
    direct === undefined || cell.path === DIRECT ? '–' : precise(alone.p50Ms - direct.p50Ms),
    precise(alone.p99Ms),
    figure(loaded.scrapesPerSecond),
    cpu((role) => role === SERVER_ROLE),
    cpu((role) => role === 'Envoy'),
    cpu((role) => role !== SERVER_ROLE && role !== 'Envoy'),
  ];
}

function precise(ms: number): string {
  return ms.toFixed(2);
}
