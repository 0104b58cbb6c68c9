import { BlockList, isIP } from 'node:net';
import type { Credential, PushTarget } from '../model/desired-state.js';
import type { SiteCredential, SitePush, SitePushTls, SiteTenant } from '../model/site-push.js';
import type { AgentFile, SitePushFile, SiteTenantFile } from './agent-file.js';
import { readCas, readPair } from './certificates.js';
import { claimCredential, compileCredential, compileExpiry } from './credentials.js';
import type { Draft } from './draft.js';
import { compileHttpAddress } from './own-process.js';
import { compilePushTarget } from './push-targets.js';
import { createClaims, named, unknownName } from './references.js';
import type { Claim } from './references.js';
import { parseHostPort, parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/** The push door at the agent: the entries are the gateway's own, compiled by the same functions; what is said of the listener is the agent's. */

const PUSH = ['push'];

/** Undefined without the section. */
export async function compileSitePush(draft: Draft, agentFile: AgentFile): Promise<SitePush | undefined> {
  const file = draft.within(PUSH, () => agentFile.push);
  if (file === undefined) return undefined;
  const listen = draft.part([...PUSH, 'address'], () => compileHttpAddress(draft, [...PUSH, 'address'], file.address));
  const tls = await draft.part([...PUSH, 'tls'], () => file.tls && compileTls(draft, file.tls));
  const inFlightBytes = draft.part([...PUSH, 'limits'], () => parseSize(file.limits.inFlight));
  const claim = createClaims(draft);
  const targets = await draft.list([...PUSH, 'targets'], () => file.targets, (target, place) => compileTarget(draft, place, { file: target, claim }));
  const tenants = await draft.list([...PUSH, 'tenants'], () => file.tenants, (tenant, place) => compileTenant(draft, place, { tenant, file, claim }));
  draft.part(PUSH, () => {
    checkDoor(draft, file);
    checkPort(draft, file, agentFile);
    warnOfOpenPages(draft, file, agentFile);
  });
  if (listen === undefined || inFlightBytes === undefined) return undefined;
  const { requestsPerSecond, maxConcurrent: concurrentPerTenant, maxConnections } = file.limits;
  return { listen, tls, targets, tenants, limits: { requestsPerSecond, concurrentPerTenant, inFlightBytes, maxConnections } };
}

async function compileTls(draft: Draft, { certFile, keyFile, clientCaFiles }: NonNullable<SitePushFile['tls']>): Promise<SitePushTls | undefined> {
  const place = [...PUSH, 'tls'];
  const pair = await readPair(draft, place, { certFile, keyFile, usage: 'server' });
  const clientCa = clientCaFiles && (await readCas(draft, clientCaFiles.map((file, index) => ({ file, place: [...place, 'clientCaFiles', index] }))));
  return pair && { certificate: pair.chainPem, key: pair.privateKeyPem, clientCa };
}

function compileTarget(draft: Draft, place: Path, { file, claim }: { readonly file: SitePushFile['targets'][number]; readonly claim: Claim }): Promise<PushTarget | undefined> {
  claim(`target ${file.name}`, [...place, 'name'], (first) => `the push target name "${file.name}" is taken by ${first}`);
  return compilePushTarget(draft, place, { file, known: {} });
}

async function compileTenant(draft: Draft, place: Path, { tenant, file, claim }: { readonly tenant: SiteTenantFile; readonly file: SitePushFile; readonly claim: Claim }): Promise<SiteTenant> {
  claim(`tenant ${tenant.name}`, [...place, 'name'], (first) => `the tenant name "${tenant.name}" is taken by ${first}`);
  const credentials = await draft.list([...place, 'credentials'], () => tenant.credentials, async (entry, entryPlace) => {
    const proof = await compileCredential(draft, entryPlace, entry);
    if (proof === undefined || !isOfSite(proof)) return undefined;
    if (proof.kind === 'certificate' && file.tls?.clientCaFiles === undefined) draft.fault([...entryPlace, 'certificate'], 'needs `push.tls.clientCaFiles`: nobody is asked for a certificate without it');
    claimCredential(claim, entryPlace, proof);
    return { ...proof, expiresMs: compileExpiry(draft, entryPlace, entry.expires) };
  });
  const known = named(file.targets);
  for (const [index, name] of tenant.targets.entries()) {
    if (known?.has(name) === false) draft.fault([...place, 'targets', index], unknownName('push target', name, [...known.keys()]));
  }
  return { name: tenant.name, credentials, targets: tenant.targets };
}

/** The schema lets no others through. */
function isOfSite(credential: Credential): credential is SiteCredential {
  return credential.kind === 'certificate' || credential.kind === 'basic' || credential.kind === 'bearer';
}

function checkDoor(draft: Draft, { address, tls, plainHttp }: SitePushFile): void {
  if (tls !== undefined && plainHttp) draft.fault([...PUSH, 'plainHttp'], 'stands beside `tls`; the door speaks one of the two');
  if (tls !== undefined || plainHttp || isLoopback(parseHostPort(address)?.host ?? '')) return;
  draft.fault([...PUSH, 'address'], 'is open to the network without `tls`: passwords and tokens could be read on the way. Give `tls`, or say `plainHttp: true`');
}

function checkPort(draft: Draft, { address }: SitePushFile, { metrics }: AgentFile): void {
  const [own, other] = [parseHostPort(address), draft.part(['metrics'], () => parseHostPort(metrics.address))];
  if (own === undefined || other === undefined || own.port === 0 || own.port !== other.port) return;
  if (own.host === other.host || isAny(own.host) || isAny(other.host)) draft.fault([...PUSH, 'address'], 'is taken by metrics.address; the two need different ports');
}

/** A Pushgateway's page has the groups of all: a target that is that page is one tenant's only if it is filtered. */
function warnOfOpenPages(draft: Draft, { targets, tenants }: SitePushFile, agentFile: AgentFile): void {
  const pages = draft.within(['targets'], () => agentFile.targets) ?? [];
  for (const { name, kind, url, tenantLabel } of targets) {
    if (kind !== 'pushgateway' || tenants.filter((tenant) => tenant.targets.includes(name)).length < 2) continue;
    for (const index of pages.keys()) {
      const place = ['targets', index];
      draft.part(place, () => {
        const page = pages[index];
        if (page === undefined || URL.parse(page.url)?.host !== URL.parse(url)?.host) return;
        const isFiltered = page.metric_relabel_configs.some(({ source_labels = [] }) => source_labels.includes(tenantLabel));
        if (!isFiltered) draft.warn([...place, 'url'], `has the groups of all tenants of the push target "${name}", for whoever may scrape it; keep one tenant's by metric_relabel_configs over the label ${tenantLabel}`);
      });
    }
  }
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
