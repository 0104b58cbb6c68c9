/** `scrapeway agent join TOKEN`: from a token to an agent that can be started. */
import { join as joinPath, resolve } from 'node:path';
import { connectThroughProxy } from '../agent/proxy.js';
import { environmentProxy } from '../config/proxy.js';
import { parseHostPort } from '../config/units.js';
import { join } from '../join/client.js';
import type { Endpoint, Identity } from '../join/client.js';
import { readToken } from '../join/token.js';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { EgressProxy } from '../model/agent-settings.js';
import { writeFileAtomically } from '../lib/files.js';
import { complain, parseCommandLine, print, UsageError } from './command.js';
import { environment } from './environment.js';

const IDENTITY_FILE = 'agent.pem';
const CA_FILE = 'gateway-ca.crt';
const CONFIG_FILE = 'agent.yaml';
const PROXY_TIMEOUT_MS = 10_000;

/** Writes `agent.pem`, `gateway-ca.crt` and, where there is none yet, `agent.yaml`. */
export async function runJoin(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseCommandLine(argv, { dir: { type: 'string', default: '.' } });
  const [token, ...rest] = positionals;
  if (token === undefined || rest.length > 0) throw new UsageError('expected one TOKEN (scrapeway token create makes it)');
  const dir = resolve(values.dir);
  const proxyFor = environmentProxy(environment());
  const read = readToken(token);
  if (!read.ok) return fail(read.error);
  const expiredSinceMs = Date.now() - read.value.expiresMs;
  const joined = await join(token, async (address) => endpointAt(address, proxyFor));
  if (!joined.ok) return fail(`${joined.error}${expiredSinceMs > 0 ? '; by this clock the token has expired' : ''}`);
  try {
    await writeFileAtomically({ path: joinPath(dir, CA_FILE), content: joined.value.identity.ca, mode: 0o600 }, { replace: true });
    await writeIdentity(joinPath(dir, IDENTITY_FILE), joined.value.identity);
    print(joinPath(dir, IDENTITY_FILE));
    await writeConfig(joinPath(dir, CONFIG_FILE), joined.value.token.gateway);
  } catch (error) {
    return fail(`cannot write to ${dir} (${errnoOf(error) ?? String(error)}); the same token does not work again, make a new one`);
  }
  return 0;
}

/** Key and certificate in one file, so that no reader ever sees a pair that does not fit. */
export function writeIdentity(path: string, { key, certificate }: Identity): Promise<void> {
  return writeFileAtomically({ path, content: `${key.trimEnd()}\n${certificate.trimEnd()}\n`, mode: 0o600 }, { replace: true });
}

/** A gateway's address for one connection, opened through the proxy where there is one. */
export async function endpointOf(gateway: { readonly host: string; readonly port: number; readonly serverName: string }, proxy: EgressProxy | undefined): Promise<Result<Endpoint, string>> {
  if (proxy === undefined) return ok(gateway);
  const through = await connectThroughProxy(proxy, gateway, AbortSignal.timeout(PROXY_TIMEOUT_MS));
  return through.ok ? ok({ ...gateway, through: through.value }) : through;
}

function endpointAt(address: string, proxyFor: ReturnType<typeof environmentProxy>): Promise<Result<Endpoint, string>> {
  const parsed = parseHostPort(address);
  return parsed === undefined ? Promise.resolve(err(`"${address}" in the token is no address`)) : endpointOf({ ...parsed, serverName: parsed.host }, proxyFor(parsed));
}

function configText(gateway: string): string {
  return [
    '# Written by `scrapeway agent join`. Every key is in docs/configuration.md; paths are relative to this file.',
    'gateways:',
    `  - address: ${JSON.stringify(gateway)}`,
    'tls:',
    `  certFile: ${IDENTITY_FILE}`,
    `  keyFile: ${IDENTITY_FILE}`,
    `  caFile: ${CA_FILE}`,
    '  renew: true',
    'targets: [] # - { name: node, url: http://127.0.0.1:9100/metrics }',
    '',
  ].join('\n');
}

/** A configuration that is there is the operator's. */
async function writeConfig(path: string, gateway: string): Promise<void> {
  try {
    await writeFileAtomically({ path, content: configText(gateway), mode: 0o600 }, { replace: false });
    print(path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    complain(`${path} is there already and was left as it is; it should say:\n${configText(gateway)}`);
  }
}

function fail(message: string): number {
  complain(`scrapeway agent join: ${message}`);
  return 1;
}
