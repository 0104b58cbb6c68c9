import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import type { Draft } from './draft.js';
import { parseHostPort } from './units.js';
import type { HostPort } from './units.js';
import type { Path } from './yaml-source.js';

/** What the files of gateway and agent have alike. Apart from both, so that an agent does not read all that a gateway's file needs. */

const MINUTE_MS = 60_000;

/** Address of a process's own HTTP server. */
export function compileHttpAddress(draft: Draft, place: Path, address: string): HostPort | undefined {
  const parsed = parseHostPort(address);
  if (parsed === undefined) draft.fault(place, 'must be HOST:PORT such as 127.0.0.1:9464');
  return parsed;
}

type Setting = readonly [key: string, text: string];

/** Interval and time-out of a keep-alive; `section` is where both stand. */
export function compileKeepAlive(draft: Draft, section: string, { interval, timeout }: { readonly interval: Setting; readonly timeout: Setting }): KeepAliveOptions | undefined {
  const intervalMs = draft.durationMs([section, interval[0]], interval[1], { minMs: 100, maxMs: MINUTE_MS });
  const timeoutMs = draft.durationMs([section, timeout[0]], timeout[1], { minMs: 200, maxMs: 5 * MINUTE_MS });
  if (intervalMs === undefined || timeoutMs === undefined) return undefined;
  if (timeoutMs <= intervalMs) draft.fault([section, timeout[0]], `must be longer than ${interval[0]}`);
  return { intervalMs, timeoutMs };
}
