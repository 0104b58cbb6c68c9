import { writeFile } from 'node:fs/promises';
import { at } from './helm.js';
import type { RunningKube } from './kube.js';

/** A kubeconfig with a service account's own token, as a pod would have it; the file's path. */
export async function serviceAccountConfig(kube: RunningKube, { namespace, name, file }: { readonly namespace: string; readonly name: string; readonly file: string }): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const { status, body, message } = await kube.request({ method: 'POST', path, body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } });
  if (status >= 300) throw new Error(message);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: kube.url, 'certificate-authority': kube.caFile } }],
    users: [{ name, user: { token: String(at(body, 'status', 'token')) } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: name, namespace } }],
    'current-context': 'test',
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
