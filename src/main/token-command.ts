import { randomUUID } from 'node:crypto';
import { loadGatewayConfig } from '../config/gateway-config.js';
import type { GatewayConfig } from '../config/gateway-config.js';
import { parseDuration } from '../lib/duration.js';
import { parseHostPort } from '../config/units.js';
import { caFingerprint, tokenKey, writeToken } from '../join/token.js';
import { complain, parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';
import { firstLoad } from './config-life.js';
import { environment } from './environment.js';

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  agent: { type: 'string' },
  ttl: { type: 'string', default: '1h' },
  join: { type: 'string' },
  gateway: { type: 'string' },
} as const;

const MAX_TTL_MS = 30 * 86_400_000;

/** Run where the gateway's file and its CA key are; asks no running gateway. */
export const tokenCommand: Command = {
  name: 'token',
  usage: 'token create -c FILE --agent NAME [--ttl 1h] [--join HOST:PORT] [--gateway HOST:PORT]',
  summary: 'A token with which an agent joins, once: scrapeway agent join TOKEN',
  run: async (argv) => {
    const { values, positionals } = parseCommandLine(argv, OPTIONS);
    if (positionals.length !== 1 || positionals[0] !== 'create') throw new UsageError('expected "create"');
    if (values.config === undefined) throw new UsageError('-c FILE is missing: the gateway\'s configuration');
    if (values.agent === undefined) throw new UsageError('--agent NAME is missing');
    const ttlMs = parseDuration(values.ttl);
    if (ttlMs === undefined || ttlMs <= 0 || ttlMs > MAX_TTL_MS) throw new UsageError('--ttl takes a duration such as 1h, 30d at most');
    const config = await firstLoad(values.config, (file) => loadGatewayConfig(file, environment()));
    if (config === undefined) return 1;
    const { join, state } = config.value;
    if (join === undefined) return refuse('the gateway\'s file has no `join`: agents get their certificates in another way');
    if (!state.agents.some(({ name }) => name === values.agent)) return refuse(`the gateway's file has no agent "${values.agent}": add it there first`);
    const token = {
      id: randomUUID(),
      agent: values.agent,
      expiresMs: Date.now() + ttlMs,
      joinAt: address(config.value, 'join', values.join),
      gateway: address(config.value, 'gateway', values.gateway),
      caFingerprint: caFingerprint(join.serverCaPem),
    };
    print(writeToken(token, tokenKey(join.authority.privateKeyPem)));
    complain(`for the agent "${token.agent}", until ${new Date(token.expiresMs).toISOString()}, at ${token.joinAt}; then it dials ${token.gateway}`);
    return 0;
  },
};

/** Given, or the gateway's first name with the port that it listens on. */
function address({ state: { gateway } }: GatewayConfig, option: 'join' | 'gateway', given: string | undefined): string {
  if (given !== undefined && (parseHostPort(given)?.port ?? 0) === 0) throw new UsageError(`--${option} takes HOST:PORT such as gateway.example:8443`);
  const [name = ''] = gateway.names;
  return given ?? `${name.includes(':') ? `[${name}]` : name}:${option === 'join' ? gateway.scrape.port : gateway.agents.port}`;
}

function refuse(message: string): number {
  complain(`scrapeway token: ${message}`);
  return 1;
}
