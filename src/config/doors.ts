import { isIP } from 'node:net';
import type { GatewaySpec, ListenerSpec } from '../model/desired-state.js';
import type { FromSecrets } from '../model/kubernetes.js';
import { readCas, readPair, warnUncovered } from './certificates.js';
import type { Draft } from './draft.js';
import type { GatewayFile, ServerTlsFile } from './gateway-file.js';
import { parseHostPort } from './units.js';
import type { HostPort } from './units.js';
import type { Path } from './yaml-source.js';

/**
 * The two doors: where they listen, with which certificate, and whose clients' certificates they take. What stands in files is read here;
 * what stands in Secrets of the cluster is only named here, and such a door is closed until somebody has read them.
 */

export async function compileScrapeDoor(draft: Draft, { listeners: { scrape } }: GatewayFile, names: readonly string[]): Promise<GatewaySpec['scrape'] | undefined> {
  const place = ['listeners', 'scrape'];
  const server = await compileServer(draft, place, { door: scrape, names });
  const clientCaPem = await draft.part([...place, 'tls'], () => scrape.tls.clientCaFiles && compileClientCas(draft, place, scrape.tls.clientCaFiles));
  return server && { ...server, clientCaPem };
}

export async function compileAgentsDoor(draft: Draft, { listeners: { agents } }: GatewayFile): Promise<GatewaySpec['agents'] | undefined> {
  const place = ['listeners', 'agents'];
  const server = await compileServer(draft, place, { door: agents, names: [] });
  const clientCaPem = await draft.part([...place, 'tls'], () => {
    const { clientCaFiles, clientCaSecrets } = agents.tls;
    if (clientCaFiles === undefined && clientCaSecrets === undefined) draft.fault([...place, 'tls', 'clientCaFiles'], 'is missing: who signs agents\' certificates? (or `clientCaSecrets`)');
    return clientCaFiles === undefined ? '' : compileClientCas(draft, place, clientCaFiles);
  });
  return server && clientCaPem !== undefined ? { ...server, clientCaPem } : undefined;
}

function compileClientCas(draft: Draft, door: Path, files: readonly string[]): Promise<string | undefined> {
  return readCas(draft, files.map((file, index) => ({ file, place: [...door, 'tls', 'clientCaFiles', index] })));
}

interface ServerDoor {
  readonly door: { readonly address: string; readonly tls: ServerTlsFile };
  readonly names: readonly string[];
}

async function compileServer(draft: Draft, place: Path, { door, names }: ServerDoor): Promise<ListenerSpec | undefined> {
  const listen = draft.part([...place, 'address'], () => compileListenAddress(draft, [...place, 'address'], door.address));
  const tls = await draft.part([...place, 'tls'], () => compileTls(draft, [...place, 'tls'], { tls: door.tls, names }));
  return listen && tls && { ...listen, ...tls };
}

type Tls = Pick<ListenerSpec, 'certificateChainPem' | 'privateKeyPem' | 'fromSecrets' | 'isClosed'>;

async function compileTls(draft: Draft, place: Path, { tls, names }: { readonly tls: ServerTlsFile; readonly names: readonly string[] }): Promise<Tls | undefined> {
  const { certFile, keyFile, secret, clientCaSecrets = [] } = tls;
  const fromSecrets: FromSecrets = { certificate: secret && { name: secret.name, namespace: secret.namespace }, clientCas: clientCaSecrets.map(({ name, namespace, key }) => ({ name, namespace, key })) };
  const cluster = secret === undefined && clientCaSecrets.length === 0 ? {} : { fromSecrets, isClosed: true };
  if (secret !== undefined) {
    const beside = certFile !== undefined ? 'certFile' : 'keyFile';
    if ((certFile ?? keyFile) !== undefined) draft.fault([...place, beside], 'stands beside `secret`, which has both');
    return { certificateChainPem: '', privateKeyPem: '', ...cluster };
  }
  if (certFile === undefined || keyFile === undefined) {
    draft.fault([...place, certFile === undefined ? 'certFile' : 'keyFile'], 'is missing');
    return undefined;
  }
  const pair = await readPair(draft, place, { certFile, keyFile, usage: 'server' });
  if (pair !== undefined) warnUncovered(draft, place, { pair, names });
  return pair && { certificateChainPem: pair.chainPem, privateKeyPem: pair.privateKeyPem, ...cluster };
}

function compileListenAddress(draft: Draft, place: Path, address: string): HostPort | undefined {
  const listen = parseHostPort(address);
  if (listen !== undefined && isIP(listen.host) !== 0 && listen.port > 0) return listen;
  draft.fault(place, 'must be IP:PORT such as 0.0.0.0:9443 or [::]:9443; Envoy takes no host names here');
  return undefined;
}

/** Envoy could not listen twice. */
export function checkAddresses(draft: Draft, { listeners: { scrape, agents } }: GatewayFile): void {
  const [one, other] = [parseHostPort(scrape.address), parseHostPort(agents.address)];
  if (one === undefined || other === undefined || one.port !== other.port) return;
  const anyAddress = [one.host, other.host].some((host) => host === '0.0.0.0' || host === '::');
  if (one.host === other.host || anyAddress) draft.fault(['listeners', 'agents', 'address'], 'is taken by listeners.scrape.address; the two doors need different ports');
}
