import type { LoadOptions } from './load.js';
import type { Subject } from './measure.js';

/** What takes part: a way to bring a scrape to an emulated target, started afresh for each round. */
export interface Contestant {
  readonly name: string;
  /** For the report: what a scrape passes, and what it does not. */
  readonly what: string;
  /** Why it cannot take part here; undefined: it can. */
  skip?(): string | undefined;
  /** Resolves when every target can be scraped. Whatever it starts goes onto `started`, which is disposed of after the round. */
  start(round: Round, started: AsyncDisposableStack): Promise<Running>;
}

export interface Round {
  /** Folder of this round alone, with a short path. */
  readonly dir: string;
  /** Folder of the whole run: what is made once is kept there. */
  readonly runDir: string;
  readonly agents: readonly string[];
  readonly bodyFile: string;
}

export interface Running {
  /** The processes whose cost counts. */
  readonly servers: readonly Subject[];
  /** The process that plays all agents. */
  readonly agentsPid: number;
  readonly load: Pick<LoadOptions, 'host' | 'port' | 'tls' | 'requests'>;
}

/** Bounds of what a start may take, ms. */
export const START_TIMEOUT_MS = 60_000;
/** Envoy's worker threads, for whoever uses an Envoy. */
export const ENVOY_WORKERS = 2;

/** Whose scrapes they all are. */
export const TENANT = 'team-a';

const ACCEPT = [
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6',
  'application/openmetrics-text;version=0.0.1;q=0.5',
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4',
  'text/plain;version=0.0.4;q=0.3',
  '*/*;q=0.2',
].join(',');
const SCRAPE_TIMEOUT_S = 10;
/** What Prometheus 3 sends with a scrape, behind the request line and `Host`. */
const SCRAPE_HEADERS: readonly string[] = [
  'User-Agent: Prometheus/3.15.0',
  `Accept: ${ACCEPT}`,
  'Accept-Encoding: gzip',
  `X-Prometheus-Scrape-Timeout-Seconds: ${SCRAPE_TIMEOUT_S}`,
];

/** One scrape on the wire. */
export function scrapeRequest(target: string, host: string, headers: readonly string[] = []): string {
  return [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...SCRAPE_HEADERS, ...headers, '\r\n'].join('\r\n');
}

/** The same scrape with more time: for bodies that a busy machine does not move in ten seconds. */
export function withTimeout(request: string, timeoutS: number): string {
  return request
    .replace(`Scrape-Timeout-Seconds: ${SCRAPE_TIMEOUT_S}\r\n`, `Scrape-Timeout-Seconds: ${timeoutS}\r\n`)
    .replace(/^(x-scrapeway-timeout-ms): \d+/m, `$1: ${timeoutS * 1000}`);
}
