import type { TargetFetch, TargetSpec, TargetTls } from '../model/agent-settings.js';
import { labelFault } from '../model/labels.js';
import type { Target } from '../model/target.js';
import { validateTargets } from '../tunnel/targets.js';
import type { AgentFile, FetchFile, TargetFile, TargetTlsFile } from './agent-file.js';
import { readCas, readPair } from './certificates.js';
import { checkHeaders, compileAuthorization } from './outgoing.js';
import type { Draft } from './draft.js';
import { checkRelabel } from './relabel.js';
import { formatPath } from './yaml-source.js';
import type { Path } from './yaml-source.js';
import { parseSize } from './units.js';

/**
 * The agent's targets: what is registered, and what only the agent knows (paths that may be asked for, credentials). Whatever
 * passes here passes the gateway's own check, since it is the same function (`validateTargets`) that has the last word.
 */
export async function compileTargets(draft: Draft, file: AgentFile, maxBodyBytes: number | undefined): Promise<TargetSpec[]> {
  const first = new Map<string, string>();
  return draft.list(['targets'], () => file.targets, (target, place) => {
    const taken = first.get(target.name);
    if (taken !== undefined) draft.fault([...place, 'name'], `the target name "${target.name}" is taken by ${taken}`);
    first.set(target.name, taken ?? formatPath(place));
    return compileTarget(draft, place, { file: target, maxBodyBytes });
  });
}

async function compileTarget(
  draft: Draft,
  place: Path,
  { file, maxBodyBytes }: { readonly file: TargetFile; readonly maxBodyBytes: number | undefined },
): Promise<TargetSpec | undefined> {
  const target = compileUrl(draft, place, file);
  for (const [name, value] of Object.entries(file.labels)) {
    const fault = labelFault(name, value);
    if (fault !== undefined) draft.fault([...place, 'labels', name], `label "${name}" ${fault}`);
  }
  const fetch = await compileFetch(draft, place, { file, maxBodyBytes });
  if (file.tls !== undefined && target?.scheme === 'http') draft.fault([...place, 'tls'], 'is for https targets; the url says http');
  if (target === undefined) return undefined;
  const [path = '/'] = target.path.split('?', 1);
  return { ...fetch, target, allowedPaths: [path, ...file.paths] };
}

/** How a target is asked; the same for one target and for all that a job finds. */
export async function compileFetch(draft: Draft, place: Path, { file, maxBodyBytes }: { readonly file: FetchFile; readonly maxBodyBytes: number | undefined }): Promise<TargetFetch> {
  const authorization = await compileAuthorization(draft, place, file);
  checkHeaders(draft, place, file.headers);
  const tls = await compileTls(draft, [...place, 'tls'], file.tls);
  const timeoutMs = file.timeout === undefined ? undefined : draft.durationMs([...place, 'timeout'], file.timeout, { minMs: 100, maxMs: 3_600_000 });
  checkRelabel(draft, [...place, 'metric_relabel_configs'], file.metric_relabel_configs);
  const filters = file.metric_relabel_configs.length > 0 || file.sample_limit > 0;
  return {
    ...(filters && { filter: { relabelConfigs: file.metric_relabel_configs, sampleLimit: file.sample_limit === 0 ? undefined : file.sample_limit, ...(file.always_scrape_classic_histograms && { readsClassic: true }) } }),
    timeoutMs,
    maxBodyBytes: file.maxBodySize === undefined ? maxBodyBytes : parseSize(file.maxBodySize),
    tls,
    headers: { ...file.headers, ...(authorization !== undefined && { authorization }) },
  };
}

/** Where a target is, from its URL. */
export function compileUrl(draft: Draft, place: Path, { name, url, labels }: Pick<TargetFile, 'name' | 'url' | 'labels'>): Target | undefined {
  const urlPlace = [...place, 'url'];
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    draft.fault(urlPlace, 'must be a URL such as http://127.0.0.1:9100/metrics');
    return undefined;
  }
  const scheme = parsed.protocol === 'https:' ? 'https' : 'http';
  if (parsed.username !== '' || parsed.password !== '') draft.fault(urlPlace, 'must hold no credentials; use `basic` or `bearerTokenFile`');
  if (parsed.pathname.endsWith('*')) draft.fault(urlPlace, 'has a path that ends in "*"; write "%2A", since in `paths` a "*" stands for anything');
  if (parsed.hash !== '') draft.fault(urlPlace, 'has a fragment ("#…"), which is never sent');
  const target: Target = {
    name,
    scheme,
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? (scheme === 'https' ? 443 : 80) : Number(parsed.port),
    path: parsed.pathname + parsed.search,
    labels,
  };
  // labels have their own check, with their own places
  const { faults } = validateTargets([{ ...target, labels: {} }], { maxTargets: 1 });
  for (const { message } of faults) draft.fault(urlPlace, message);
  return faults.length === 0 ? target : undefined;
}

async function compileTls(draft: Draft, place: Path, file: TargetTlsFile | undefined): Promise<TargetTls> {
  if (file === undefined) return { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false };
  const { caFile, certFile, keyFile, serverName, insecureSkipVerify } = file;
  const caPem = caFile === undefined ? undefined : await readCas(draft, [{ file: caFile, place: [...place, 'caFile'] }]);
  if (insecureSkipVerify) draft.warn([...place, 'insecureSkipVerify'], 'the target is not verified: it can be anybody');
  if ((certFile === undefined) !== (keyFile === undefined)) draft.fault(place, 'needs both `certFile` and `keyFile`, or none');
  const pair = certFile === undefined || keyFile === undefined ? undefined : await readPair(draft, place, { certFile, keyFile, usage: 'client' });
  return { caPem, client: pair && { certificatePem: pair.chainPem, keyPem: pair.privateKeyPem }, serverName, insecureSkipVerify };
}
