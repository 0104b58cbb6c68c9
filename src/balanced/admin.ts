import { join } from 'node:path';
import { Client } from 'undici';

/** Envoy's admin pages, on the socket beside ours: what Envoy knows of backends' servers stands nowhere else. */
export interface Admin {
  /** Undefined where Envoy does not give it. */
  page(path: string): Promise<string | undefined>;
  close(): Promise<void>;
}

const ADMIN_SOCKET = 'admin.sock';
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 1_000;

export function openAdmin(runtimeDir: string): Admin {
  const client = new Client('http://envoy', { socketPath: join(runtimeDir, ADMIN_SOCKET) });
  return {
    page: async (path) => {
      try {
        const { statusCode, body } = await client.request({ method: 'GET', path, signal: AbortSignal.timeout(TIMEOUT_MS) });
        const text = await readAtMost(body, MAX_PAGE_BYTES);
        return statusCode === 200 ? text : undefined;
      } catch {
        return undefined;
      }
    },
    close: () => client.destroy(),
  };
}

async function readAtMost(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxBytes) throw new Error('a page without an end');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
