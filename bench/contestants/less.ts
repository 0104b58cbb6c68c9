import { fetchJson } from '../../test/support/http.js';
import { startEnvoy } from '../../test/support/envoy.js';
import { freePort } from '../../test/support/ports.js';
import type { Contestant, Round, Running } from '../contestant.js';
import { toStatic, withoutPart } from '../envoy-config.js';
import type { Json, Part } from '../envoy-config.js';
import { stamps } from './behind-envoy.js';
import { connectAll, startSecureGateway } from './secure.js';

/**
 * The secure path less one part, to see what the part costs: the gateway as in `secure`, and before it an Envoy whose configuration is that of the
 * gateway's own with the part taken out. `less-nothing` shows that such an Envoy costs what the gateway's own does.
 */

interface Less {
  readonly name: string;
  readonly part: Part | undefined;
  readonly plainTunnels?: boolean;
}

const LESS: readonly Less[] = [
  { name: 'less-nothing', part: undefined },
  { name: 'less-door-tls', part: 'door TLS' },
  { name: 'less-access-log', part: 'access log' },
  { name: 'less-rate-limit', part: 'rate limit' },
  { name: 'less-hygiene', part: 'header hygiene' },
  { name: 'less-answer-checks', part: 'answer checks' },
  { name: 'less-reason-mapper', part: 'reason mapper' },
  { name: 'less-request-id', part: 'request id and XFF' },
  { name: 'less-authz', part: 'ext_authz, limit and hygiene' },
  { name: 'less-tunnel-tls', part: undefined, plainTunnels: true },
];

export const LESS_CONTESTANTS: readonly Contestant[] = LESS.map((less) => ({
  name: less.name,
  what: `secure, without ${less.part ?? (less.plainTunnels === true ? 'Envoy and TLS in the tunnels' : 'nothing')}`,
  start: (round, started) => start(less, round, started),
}));

async function start({ part, plainTunnels = false }: Less, round: Round, started: AsyncDisposableStack): Promise<Running> {
  const secure = await startSecureGateway(round, started);
  const dump = await fetchJson<Json>({ url: 'http://admin/config_dump?include_eds', socketPath: `${round.dir}/run/admin.sock` });
  const ports = { scrape: await freePort(), agents: await freePort() };
  const adminSocket = `${round.dir}/less.sock`;
  const bootstrap = toStatic({ dump, adminSocket, ports, privateKeyFile: secure.certificates.gateway.keyFile });
  const lessened = part === undefined ? bootstrap : withoutPart(bootstrap, part);
  const envoy = started.use(await startEnvoy({ bootstrap: JSON.stringify(lessened), adminSocket, dir: round.dir }));
  await envoy.waitUntilReady();
  return connectAll(round, started, {
    ...secure,
    envoyPid: envoy.process.pid,
    ports,
    plainTunnels,
    doorTls: part !== 'door TLS',
    ...(part === 'ext_authz, limit and hygiene' && { stamps }),
  });
}
