import type { EgressProxy } from '../model/agent-settings.js';

/** `http://user:password@proxy.example:3128`, as environment variables have it: without a scheme it is http, as in Go. */
export function parseProxyUrl(text: string): EgressProxy | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') return undefined;
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') return undefined;
  const isTls = url.protocol === 'https:';
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    tls: isTls ? { caPem: undefined } : undefined,
    authorization: url.username === '' ? undefined : `Basic ${Buffer.from(`${plain(url.username)}:${plain(url.password)}`).toString('base64')}`,
  };
}

function plain(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
