import { isIP } from 'node:net';
import type { BackendDiscovery } from '../model/desired-state.js';
import { get, listAt, textAt, textsAt } from '../kube/values.js';

/**
 * An object of a cluster → the base URLs that a backend finds in it. Three kinds, one shape: addresses, and ports with names; which
 * port, scheme and path is asked for is the backend's. Only what could be asked now counts: pods and addresses that are ready.
 */

/** What is kept of an EndpointSlice, a Pod or a Service. */
export interface Endpoints {
  readonly namespace: string;
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** IP addresses, without brackets, or a Service's name. */
  readonly addresses: readonly string[];
  readonly ports: readonly Port[];
  /** Of a pod: any number may be meant, since containers need not name their ports. */
  readonly anyPort: boolean;
}

interface Port {
  readonly name: string;
  readonly port: number;
}

const DEFAULT_PORT: Port = { name: '', port: 9090 };

/** What is kept of an object; undefined where it has no address to ask. */
export function readEndpoints(object: unknown, resource: BackendDiscovery['resource'], clusterDomain: string): Endpoints | undefined {
  const namespace = textAt(object, 'metadata', 'namespace');
  const name = textAt(object, 'metadata', 'name');
  if (namespace === undefined || name === undefined) return undefined;
  const found = { namespace, name, annotations: textsAt(object, 'metadata', 'annotations'), ...ADDRESSES[resource](object, `${name}.${namespace}.svc.${clusterDomain}`) };
  return found.addresses.length === 0 ? undefined : found;
}

type Found = Pick<Endpoints, 'addresses' | 'ports' | 'anyPort'>;

const ADDRESSES: Readonly<Record<BackendDiscovery['resource'], (object: unknown, dnsName: string) => Found>> = {
  Service: (object, dnsName) => ({ addresses: [dnsName], ports: portsOf(listAt(object, 'spec', 'ports'), 'port'), anyPort: false }),
  EndpointSlice: (object) => {
    const ready = listAt(object, 'endpoints').filter((endpoint) => get(endpoint, 'conditions', 'ready') !== false);
    // A slice of type FQDN has names, and nobody's word that they are names of the cluster.
    const addresses = ready.flatMap((endpoint) => listAt(endpoint, 'addresses')).filter((address): address is string => typeof address === 'string' && isIP(address) !== 0);
    return { addresses, ports: portsOf(listAt(object, 'ports'), 'port'), anyPort: false };
  },
  Pod: (object) => {
    const ready = get(object, 'status', 'phase') === 'Running' && get(object, 'metadata', 'deletionTimestamp') === undefined && listAt(object, 'status', 'conditions').some((each) => get(each, 'type') === 'Ready' && get(each, 'status') === 'True');
    const address = textAt(object, 'status', 'podIP');
    const ports = portsOf(listAt(object, 'spec', 'containers').flatMap((container) => listAt(container, 'ports')), 'containerPort');
    return { addresses: ready && address !== undefined && isIP(address) !== 0 ? [address] : [], ports, anyPort: true };
  },
};

function portsOf(ports: readonly unknown[], key: string): readonly Port[] {
  return ports.flatMap((each) => {
    const port = get(each, key);
    const tcp = (textAt(each, 'protocol') ?? 'TCP') === 'TCP';
    return tcp && typeof port === 'number' ? [{ name: textAt(each, 'name') ?? '', port }] : [];
  });
}

/** Base URLs, in an order that does not depend on when each was seen. */
export function urlsOf(all: Iterable<Endpoints>, discovery: BackendDiscovery): readonly string[] {
  const urls = new Set<string>();
  for (const endpoints of all) {
    const { namespace, annotations, addresses } = endpoints;
    if (discovery.namespaces?.includes(namespace) === false) continue;
    if (Object.entries(discovery.annotations).some(([key, value]) => annotations[key] !== value)) continue;
    const port = choosePort(endpoints, discovery.port);
    if (port === undefined) continue;
    const scheme = discovery.scheme ?? schemeOf(annotations, port);
    for (const address of addresses) urls.add(`${scheme}://${isIP(address) === 6 ? `[${address}]` : address}:${port.port}${discovery.pathPrefix}`);
  }
  return [...urls].toSorted();
}

/** By name, or by number; undefined where a name is asked for that the object does not have. */
function choosePort({ ports, anyPort }: Endpoints, wanted: string | undefined): Port | undefined {
  if (wanted === undefined) return ports[0] ?? (anyPort ? DEFAULT_PORT : undefined);
  const named = ports.find(({ name, port }) => name === wanted || String(port) === wanted);
  if (named !== undefined) return named;
  return anyPort && /^\d+$/.test(wanted) ? { name: '', port: Number(wanted) } : undefined;
}

function schemeOf(annotations: Readonly<Record<string, string>>, { name }: Port): 'http' | 'https' {
  const said = annotations['prometheus.io/scheme'];
  if (said === 'http' || said === 'https') return said;
  return name === 'https' ? 'https' : 'http';
}
