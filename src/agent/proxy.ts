/**
 * Out through a corporate proxy: HTTP CONNECT (RFC 9110 §9.3.6) to the gateway, over TCP or TLS. The result is a connection like any
 * other; TLS towards the gateway runs inside, so that the proxy sees a name and bytes.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { EgressProxy } from '../model/agent-settings.js';

const MAX_ANSWER_BYTES = 16 * 1024;

/** The open connection, or a sentence that says what is wrong with the proxy. Destroyed when `signal` aborts before that. */
export function connectThroughProxy(proxy: EgressProxy, { host, port }: { readonly host: string; readonly port: number }, signal: AbortSignal): Promise<Result<Socket, string>> {
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const name = `the proxy ${proxy.host}:${proxy.port}`;
  return new Promise((resolve) => {
    const socket = openSocket(proxy);
    let answer = Buffer.alloc(0);
    const settle = (result: Result<Socket, string>): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      // whoever takes it over has listeners of its own; until then an error must not end the process
      socket.on('error', () => undefined);
      if (result.ok) socket.pause();
      else socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => settle(err(`no answer from ${name} in time`));
    const onError = (error: Error): void => settle(err(`${name} cannot be used: ${errnoOf(error) ?? error.message}`));
    const onClose = (): void => settle(err(`${name} closed the connection`));
    const onData = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      if (end === -1 && answer.length <= MAX_ANSWER_BYTES) return;
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer.subarray(0, 32).toString('latin1'))?.[1]);
      if (end === -1 || Number.isNaN(status)) return settle(err(`${name} does not speak HTTP`));
      if (status < 200 || status > 299) return settle(err(refusal(name, authority, status)));
      // the gateway speaks second: whatever follows the head is the proxy's
      settle(answer.length > end + 4 ? err(`${name} sent more than an answer`) : ok(socket));
    };
    socket.on('data', onData).on('error', onError).on('close', onClose);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    socket.setNoDelay(true);
    socket.once(proxy.tls === undefined ? 'connect' : 'secureConnect', () => {
      const authorization = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`;
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
    });
  });
}

function openSocket({ host, port, tls }: EgressProxy): Socket {
  if (tls === undefined) return connectTcp({ host, port });
  return connectTls({ host, port, ALPNProtocols: ['http/1.1'], ...(tls.caPem !== undefined && { ca: tls.caPem }), servername: /^[\d.]+$|:/.test(host) ? '' : host });
}

function refusal(name: string, authority: string, status: number): string {
  switch (status) {
    case 407:
      return `${name} wants credentials, or others than it got (407)`;
    case 403:
      return `${name} does not let us through to ${authority} (403)`;
    case 502:
    case 503:
    case 504:
      return `${name} does not reach ${authority} (${status})`;
    default:
      return `${name} refused ${authority} (${status})`;
  }
}
