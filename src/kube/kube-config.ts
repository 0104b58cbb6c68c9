import { readFile } from 'node:fs/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { fileVersion } from '../lib/file-version.js';
import type { KubernetesAccess } from '../model/kubernetes.js';

/** The library's idea of who we are and whom we trust, made of ours. Throws where a file cannot be read, names no such context, or no pod is around us. */
export function kubeConfigOf(access: KubernetesAccess): KubeConfig {
  const config = new KubeConfig();
  switch (access.kind) {
    case 'in-cluster':
      config.loadFromCluster();
      // The library makes its address of variables that may not be there.
      if (URL.parse(config.getCurrentCluster()?.server ?? '') === null) throw new Error('this is no pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set');
      return config;
    case 'kubeconfig':
      config.loadFromFile(access.file);
      if (access.context !== undefined) config.setCurrentContext(access.context);
      if (config.getCurrentCluster() === null) throw new Error(`${access.file} has no such context: ${config.getCurrentContext()}`);
      return config;
    case 'server':
      config.loadFromClusterAndUser(
        { name: 'cluster', server: access.url, skipTLSVerify: false, ...(access.caPem !== undefined && { caData: Buffer.from(access.caPem).toString('base64') }) },
        { name: 'gateway', authProvider: { name: TOKEN_FILE, config: {} } },
      );
      config.addAuthenticator({
        isAuthProvider: ({ authProvider }) => authProvider?.name === TOKEN_FILE,
        applyAuthentication: async (_user, options) => {
          options.headers = { ...options.headers, Authorization: `Bearer ${(await readFile(access.tokenFile, 'utf8')).trim()}` };
        },
      });
      return config;
  }
}

/** Who we are and whom we trust, as it is now. */
export type CurrentKubeConfig = () => Promise<KubeConfig>;

/**
 * Follows a kubeconfig file whose content changes in place (a new token, a new CA, another server): looked at before each request, since
 * requests are few. One that cannot be used, perhaps because it is half written, changes nothing. What the other kinds of access
 * read from files of their own is read again by whoever reads it.
 */
export function followKubeConfig(access: KubernetesAccess, first: KubeConfig = kubeConfigOf(access)): CurrentKubeConfig {
  if (access.kind !== 'kubeconfig') return () => Promise.resolve(first);
  let config = first;
  let known: string | undefined;
  return async () => {
    const version = await fileVersion(access.file);
    if (version === known) return config;
    try {
      config = kubeConfigOf(access);
      known = version;
    } catch {
      // the next request looks again
    }
    return config;
  };
}

/** The library's own reader of token files sends a line's end along, and knows a new token after a minute only. */
const TOKEN_FILE = 'scrapeway-token-file';
