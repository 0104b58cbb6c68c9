import { KubeConfig } from '@kubernetes/client-node';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/** How the API server is reached and who we are there: a kubeconfig file, or the service account of the pod. */
export interface ClusterAccess {
  readonly kubeConfig: KubeConfig;
  /** The context's, or the pod's own; `default` where neither says. */
  readonly namespace: string;
}

/** Reads files, and nothing else: whether the server answers is seen later. */
export function clusterAccess({ kubeconfig, context }: { readonly kubeconfig: string | undefined; readonly context: string | undefined }): Result<ClusterAccess, string> {
  const kubeConfig = new KubeConfig();
  try {
    if (kubeconfig === undefined) kubeConfig.loadFromCluster();
    else kubeConfig.loadFromFile(kubeconfig);
  } catch (error) {
    return err(`${kubeconfig ?? 'the service account'}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (context !== undefined) kubeConfig.setCurrentContext(context);
  const current = kubeConfig.getContextObject(kubeConfig.getCurrentContext());
  const server = kubeConfig.getCurrentCluster()?.server;
  // Outside of a pod the library makes `https://undefined:undefined` of it.
  if (kubeconfig === undefined && server?.includes('undefined') === true) return err('this process does not run in a pod; name a file in kubernetes.kubeconfig');
  if (current === null || server === undefined) return err(`${kubeconfig ?? ''} has no usable context${context === undefined ? '' : ` "${context}"`}`);
  return ok({ kubeConfig, namespace: current.namespace ?? 'default' });
}
