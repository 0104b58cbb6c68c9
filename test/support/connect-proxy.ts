import path from 'node:path';
import type { CertificateFiles } from './certificates.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';
import { nodeBinary, projectDir } from './project.js';

/**
 * A corporate proxy: a process of its own that speaks CONNECT on a real port, and says in its log what it was asked.
 */
export interface ConnectProxy extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly port: number;
}

export interface ConnectProxyOptions {
  /** `user:password` that it wants; none by default. */
  readonly credentials?: string;
  /** Speaks TLS. */
  readonly certificate?: CertificateFiles;
}

export async function startConnectProxy({ credentials, certificate }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const options = { credentials, cert: certificate?.certificateFile, key: certificate?.keyFile };
  const child = startProcess({ name: 'proxy', command: nodeBinary, args: [path.join(projectDir, 'dist/test/support/connect-proxy-process.js'), JSON.stringify(options)], env: { NODE_OPTIONS: '' } });
  const [, port] = await child.waitForLog(/listening (\d+)/);
  return {
    process: child,
    port: Number(port),
    [Symbol.asyncDispose]: async () => {
      await child.stop();
    },
  };
}
