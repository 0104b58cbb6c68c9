import type { KubernetesAccess, TokenReviewSpec } from '../model/kubernetes.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { KubernetesAccessFile, KubernetesFile } from './gateway-file.js';
import type { Path } from './yaml-source.js';

/**
 * How the cluster's API server is reached: a kubeconfig file, or a server with a token; with neither, as a pod of the cluster.
 */
const PLACE = 'kubernetes';

/** Undefined after a fault. */
export async function compileKubernetesAccess(draft: Draft, { kubeconfig, context, server, caFile, tokenFile }: KubernetesAccessFile): Promise<KubernetesAccess | undefined> {
  if (context !== undefined && kubeconfig === undefined) draft.fault([PLACE, 'context'], 'is one of a file; name it in `kubeconfig`');
  if (caFile !== undefined && server === undefined) draft.fault([PLACE, 'caFile'], 'is for `server` only');
  if (tokenFile !== undefined && server === undefined) draft.fault([PLACE, 'tokenFile'], 'is for `server` only');
  if (kubeconfig !== undefined) {
    if (server !== undefined) draft.fault([PLACE, 'server'], 'stands beside `kubeconfig`, which names a server too');
    // Read by the client, who also knows what paths in it are relative to; here only that it is there.
    const text = await draft.readFile([PLACE, 'kubeconfig'], kubeconfig);
    return text === undefined ? undefined : { kind: 'kubeconfig', file: draft.resolve(kubeconfig), context };
  }
  if (server === undefined) return { kind: 'in-cluster' };
  return compileServer(draft, { server: { value: server, place: [PLACE, 'server'] }, caFile: { value: caFile, place: [PLACE, 'caFile'] }, tokenFile: { value: tokenFile, place: [PLACE, 'tokenFile'] } });
}

/** A key's value, and where it stands. */
interface Placed<T> {
  readonly value: T;
  readonly place: Path;
}

/** A server with a token. Undefined after a fault. */
export async function compileServer(draft: Draft, { server, caFile, tokenFile }: { readonly server: Placed<string>; readonly caFile: Placed<string | undefined>; readonly tokenFile: Placed<string | undefined> }): Promise<KubernetesAccess | undefined> {
  const url = URL.parse(server.value);
  if (url === null || url.username !== '' || url.password !== '') {
    draft.fault(server.place, 'must be an https:// URL without user and password');
    return undefined;
  }
  const caPem = caFile.value === undefined ? undefined : await readCas(draft, [{ file: caFile.value, place: caFile.place }]);
  if (tokenFile.value === undefined) {
    draft.fault(tokenFile.place, 'is missing: the API server wants to know who asks');
    return undefined;
  }
  const token = await draft.readSecret(tokenFile.place, tokenFile.value);
  return token === undefined || (caFile.value !== undefined && caPem === undefined) ? undefined : { kind: 'server', url: url.href.replace(/\/+$/, ''), caPem, tokenFile: draft.resolve(tokenFile.value) };
}

/** Undefined without one, and after a fault. */
export async function compileTokenReview(draft: Draft, file: KubernetesFile | undefined): Promise<TokenReviewSpec | undefined> {
  if (file?.tokenReview === undefined) return undefined;
  const { audiences, cacheDuration, timeout } = file.tokenReview;
  const access = await compileKubernetesAccess(draft, file);
  const cacheMs = draft.durationMs([PLACE, 'tokenReview', 'cacheDuration'], cacheDuration, { minMs: 1000, maxMs: 600_000 });
  const timeoutMs = draft.durationMs([PLACE, 'tokenReview', 'timeout'], timeout, { minMs: 100, maxMs: 10_000 });
  return access === undefined || cacheMs === undefined || timeoutMs === undefined ? undefined : { access, audiences, cacheMs, timeoutMs };
}
