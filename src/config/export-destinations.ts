import type { ExportDestination } from '../model/desired-state.js';
import type { OAuth2Client } from '../model/receiver-credentials.js';
import { compileAgentService } from './behind.js';
import type { CompiledService } from './behind.js';
import { readCas, readPair } from './certificates.js';
import type { Draft } from './draft.js';
import type { ExportDestinationFile, GatewayFile } from './gateway-file.js';
import { baseUrl, checkHeaders, compileAuthorization } from './outgoing.js';
import { parseProxyUrl } from './proxy-url.js';
import { WRITE_PATHS } from './push-targets.js';
import { createClaims } from './references.js';
import type { Known } from './references.js';
import { compileSigV4 } from './sigv4.js';
import type { Path } from './yaml-source.js';

/** The operator's list of servers that exports may go to. */
export async function compileExportDestinations(draft: Draft, file: Pick<GatewayFile, 'exportDestinations'>): Promise<ExportDestination[]> {
  const claim = createClaims(draft);
  return draft.list(['exportDestinations'], () => file.exportDestinations, (destination, place) => {
    claim(destination.name, [...place, 'name'], (first) => `the export destination name "${destination.name}" is taken by ${first}`);
    return compileDestination(draft, place, { file: destination, known: file });
  });
}

async function compileDestination(draft: Draft, place: Path, { file, known }: { readonly file: ExportDestinationFile; readonly known: Known }): Promise<ExportDestination | undefined> {
  const { name, kind, version, tenantLabel } = file;
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  const oauth2 = await compileOAuth2(draft, place, file);
  const sigv4 = await compileSigV4(draft, place, file);
  const caPem = file.caFile === undefined ? undefined : await readCas(draft, [{ file: file.caFile, place: [...place, 'caFile'] }]);
  const client = await compileClient(draft, place, file);
  const proxy = await compileProxy(draft, place, file);
  const { caFile, certFile, keyFile } = file;
  const behind = file.agent && compileAgentService(draft, place, { ...WRITE_PATHS[kind], ...file.agent }, { known, notBeside: { caFile, certFile, keyFile, proxy: file.proxy, oauth2: file.oauth2, sigv4: file.sigv4 } });
  const urls = compileUrls(draft, place, file, behind);
  const timeoutMs = draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 1000, maxMs: 600_000 });
  if (kind === 'pushgateway' && urls.length > 1) draft.fault([...place, 'kind'], 'a Pushgateway has one `url`');
  if (timeoutMs === undefined) return undefined;
  return { name, kind, urls, ...(behind && { agent: behind.agent }), version: version === 1 ? '1' : '2', headers: { ...file.headers, ...(authorization !== undefined && { authorization }) }, oauth2, sigv4, caPem, client, proxy, timeoutMs, tenantLabel };
}

function compileUrls(draft: Draft, place: Path, { url, urls, statefulSet }: ExportDestinationFile, behind: CompiledService | undefined): readonly string[] {
  const given = [url, urls, statefulSet, behind].filter((each) => each !== undefined).length;
  if (given !== 1) draft.fault([...place, 'name'], 'needs exactly one of `url`, `urls`, `statefulSet` and `agent`');
  if (behind !== undefined) return [behind.url];
  if (statefulSet !== undefined) {
    const { name, service, namespace, replicas, port, scheme, path, clusterDomain } = statefulSet;
    return Array.from({ length: replicas }, (_, index) => `${scheme}://${name}-${index}.${service}.${namespace}.svc.${clusterDomain}:${port}${path}`);
  }
  const all = urls ?? (url === undefined ? [] : [url]);
  return all.flatMap((each, index) => baseUrl(draft, urls === undefined ? [...place, 'url'] : [...place, 'urls', index], each) ?? []);
}

async function compileClient(draft: Draft, place: Path, { certFile, keyFile }: ExportDestinationFile): Promise<ExportDestination['client']> {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    draft.fault([...place, certFile === undefined ? 'keyFile' : 'certFile'], 'needs the other: `certFile` and `keyFile` stand together');
    return undefined;
  }
  const pair = await readPair(draft, place, { certFile, keyFile, usage: 'client' });
  return pair && { certificatePem: pair.chainPem, privateKeyPem: pair.privateKeyPem };
}

async function compileOAuth2(draft: Draft, place: Path, { oauth2, basic, bearerTokenFile }: ExportDestinationFile): Promise<OAuth2Client | undefined> {
  if (oauth2 === undefined) return undefined;
  if ((basic ?? bearerTokenFile) !== undefined) draft.fault([...place, 'oauth2'], 'stands beside `basic` or `bearerTokenFile`; a request can carry one of them');
  const { clientSecretFile, ...client } = oauth2;
  const clientSecret = await draft.readSecret([...place, 'oauth2', 'clientSecretFile'], clientSecretFile);
  return clientSecret === undefined ? undefined : { ...client, clientSecret };
}

async function compileProxy(draft: Draft, place: Path, { proxy }: ExportDestinationFile): Promise<ExportDestination['proxy']> {
  if (proxy === undefined) return undefined;
  if (parseProxyUrl(proxy.url) === undefined) draft.fault([...place, 'proxy', 'url'], 'must be a URL such as http://proxy.example:3128');
  const authorization = await compileAuthorization(draft, [...place, 'proxy'], { ...(proxy.basic && { basic: proxy.basic }), headers: {} });
  return { url: proxy.url, authorization };
}
