import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { EgressProxy } from '../model/agent-settings.js';
import type { AgentFile } from './agent-file.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { Environment } from './env.js';
import { parseProxyUrl } from './proxy-url.js';
import { parseHostPort } from './units.js';
import type { HostPort } from './units.js';

/** The way out to a gateway: the file's `proxy`, else what the environment says; undefined = directly. */
export type ProxyFor = (gateway: HostPort) => EgressProxy | undefined;

export async function compileProxy(draft: Draft, file: AgentFile, environment: Environment): Promise<ProxyFor> {
  const written = draft.part(['proxy'], () => file.proxy);
  if (written === undefined) return environmentProxy(environment);
  const parsed = parseProxyUrl(written.url);
  if (parsed === undefined) draft.fault(['proxy', 'url'], 'must be a URL such as http://proxy.example:3128');
  if (parsed?.authorization !== undefined) draft.fault(['proxy', 'url'], 'must hold no credentials; use `basic`');
  if (written.caFile !== undefined && parsed?.tls === undefined) draft.fault(['proxy', 'caFile'], 'is for https proxies; the url says http');
  const caPem = written.caFile === undefined ? undefined : await readCas(draft, [{ file: written.caFile, place: ['proxy', 'caFile'] }]);
  const password = written.basic === undefined ? undefined : await draft.readSecret(['proxy', 'basic', 'passwordFile'], written.basic.passwordFile);
  const authorization = written.basic === undefined || password === undefined ? undefined : `Basic ${Buffer.from(`${written.basic.user}:${password}`).toString('base64')}`;
  const proxy = parsed && { ...parsed, tls: parsed.tls && { caPem }, authorization };
  return (gateway) => (isExempt(gateway, written.noProxy) ? undefined : proxy);
}

/** What HTTPS_PROXY and NO_PROXY say. */
export function environmentProxy({ proxy }: Environment): ProxyFor {
  return (gateway) => (proxy === undefined || isLoopback(gateway.host) || isExempt(gateway, proxy.noProxy) ? undefined : proxy.proxy);
}

/** As Go has it for the environment: what is on this machine is never asked of a proxy. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback');
}

/**
 * `NO_PROXY` with Go's rules: `*`; a name and all below it; `.name` for those below it alone; an address or a network; each, but for
 * networks, with a port if that is to matter.
 */
export function isExempt({ host, port }: HostPort, rules: readonly string[]): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return rules.some((rule) => {
    if (rule === '*') return true;
    if (ipaddr.isValidCIDR(rule)) return isInNetwork(host, rule);
    const withPort = parseHostPort(rule.replace(/^\*?\./, '')) ?? { host: rule.replace(/^\[(.*)\]$|^\*?\./, '$1'), port: undefined };
    if (withPort.port !== undefined && withPort.port !== port) return false;
    const wanted = withPort.host.toLowerCase();
    if (isIP(wanted) !== 0) return ipaddr.isValid(host) && ipaddr.process(host).toString() === ipaddr.process(wanted).toString();
    return name.endsWith(`.${wanted}`) || (name === wanted && !/^\*?\./.test(rule));
  });
}

function isInNetwork(host: string, network: string): boolean {
  if (!ipaddr.isValid(host)) return false;
  const address = ipaddr.process(host);
  const [base, bits] = ipaddr.parseCIDR(network);
  return address.kind() === base.kind() && address.match(base, bits);
}
