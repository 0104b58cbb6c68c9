/**
 * From nothing to an open tunnel: TCP, perhaps through a proxy, TLS 1.3 with the agent's certificate, the upgrade. Whatever fails becomes one sentence that
 * says whose fault it is.
 */
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { isReason, REASON_HEADER } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { GATEWAY_HEADER, GATEWAYS_HEADER, LANES_HEADER, readIds, upgradeRequest } from '../tunnel/handshake.js';
import type { GatewayAddress, TlsCredentials } from '../model/agent-settings.js';
import { connectThroughProxy } from './proxy.js';

export interface DialOptions {
  readonly gateway: GatewayAddress;
  readonly credentials: TlsCredentials;
  /** Random id of this process. */
  readonly instance: string;
  /** Ids of the gateways that this process has another tunnel to. */
  readonly known: readonly string[];
  /** Not a tunnel, but a lane of the one to the gateway of this id. */
  readonly lane?: string;
  readonly timeoutMs: number;
  /** Gives the dial up. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: TLSSocket;
  /** Bytes of the tunnel that came with the answer. */
  readonly head: Buffer;
  readonly met: Met;
}

/** Whom the agent has met: the gateway's id, and those of all gateways behind the address, where it says so. */
export interface Met {
  readonly id: string;
  readonly all: readonly string[] | undefined;
  /** Connections that a tunnel may have there. */
  readonly maxLanes: number;
}

export interface DialFault {
  /** Short and stable, for the metric's label: `network`, `tls`, `timeout`, `protocol`, `proxy`, `cancelled`, or the gateway's reason code. */
  readonly cause: string;
  /** For the log. */
  readonly message: string;
  /** The gateway that refused. */
  readonly met?: Met;
}

const MAX_ANSWER_BYTES = 16 * 1024;

/** Never rejects. */
export async function dial(options: DialOptions): Promise<Result<Dialled, DialFault>> {
  const { gateway, timeoutMs, signal } = options;
  if (gateway.proxy === undefined) return upgrade(options, undefined);
  const startedMs = performance.now();
  const connected = await connectThroughProxy(gateway.proxy, gateway, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
  if (signal.aborted) return err({ cause: 'cancelled', message: 'the agent stops' });
  if (!connected.ok) return err({ cause: 'proxy', message: connected.error });
  return upgrade({ ...options, timeoutMs: Math.max(1, timeoutMs - (performance.now() - startedMs)) }, connected.value);
}

/** TLS and the upgrade, over a new TCP connection or one that a proxy has made. */
function upgrade({ gateway, credentials, instance, known, lane, timeoutMs, signal }: DialOptions, through: Socket | undefined): Promise<Result<Dialled, DialFault>> {
  const { host, port, serverName } = gateway;
  return new Promise((resolve) => {
    const cancelled = err({ cause: 'cancelled', message: 'the agent stops' });
    if (signal.aborted) {
      through?.destroy();
      return resolve(cancelled);
    }
    let socket: TLSSocket;
    try {
      socket = connect({
        ...(through === undefined ? { host, port } : { socket: through }),
        servername: serverName,
        cert: credentials.certificate,
        key: credentials.key,
        ca: credentials.ca,
        minVersion: 'TLSv1.3',
        ALPNProtocols: ['http/1.1'],
      });
    } catch (error) {
      through?.destroy();
      // OpenSSL refuses to load them: not PEM, or the key belongs to another certificate
      return resolve(err({ cause: 'tls', message: `the agent's certificate, key or CA cannot be used: ${messageOf(error)}` }));
    }
    let answer = Buffer.alloc(0);
    let written = false;
    let settled = false;
    const settle = (result: Result<Dialled, DialFault>): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      socket.removeAllListeners('data').removeAllListeners('error').removeAllListeners('close').removeAllListeners('secureConnect');
      socket.on('error', () => undefined);
      // what comes from now on waits in the socket for HTTP/2
      if (result.ok) socket.pause();
      else socket.destroy();
      resolve(result);
    };
    const cancel = (): void => settle(cancelled);
    signal.addEventListener('abort', cancel);
    const timer = setTimeout(() => settle(err({ cause: 'timeout', message: `no tunnel within ${Math.round(timeoutMs)} ms` })), timeoutMs);
    socket.setNoDelay(true);
    const look = (): void => {
      // Node's HTTP/2 takes the completion of a write that it did not start for one of its own, and aborts the process
      const result = written ? readAnswer(answer, socket) : undefined;
      if (result !== undefined) settle(result);
    };
    socket.once('secureConnect', () => {
      socket.write(upgradeRequest(`${serverName}:${port}`, instance, known, lane), () => {
        written = true;
        look();
      });
    });
    socket.once('error', (error) => settle(err(faultOf(error, serverName))));
    socket.once('close', () => settle(err({ cause: 'network', message: 'the gateway closed the connection during the handshake' })));
    socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      look();
    });
  });
}

/** The result once the answer's head (and, for a refusal, its short body) is there; undefined while more must come. */
function readAnswer(answer: Buffer, socket: TLSSocket): Result<Dialled, DialFault> | undefined {
  const end = answer.indexOf('\r\n\r\n');
  if (end === -1) {
    return answer.length > MAX_ANSWER_BYTES ? err({ cause: 'protocol', message: "the gateway's answer is not that of a Scrapeway gateway" }) : undefined;
  }
  const [statusLine = '', ...lines] = answer.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  if (status === 101) {
    return ok({ socket, head: answer.subarray(end + 4), met: metIn(headers) });
  }
  // it becomes a metric's label: from a closed list only
  const named = headers.get(REASON_HEADER) ?? '';
  const reason = isReason(named) ? named : undefined;
  return err({ cause: reason ?? 'protocol', message: refusal(statusLine, reason), met: metIn(headers) });
}

function metIn(headers: ReadonlyMap<string, string>): Met {
  const all = readIds(headers.get(GATEWAYS_HEADER));
  const maxLanes = Number(headers.get(LANES_HEADER) ?? 1);
  return { id: headers.get(GATEWAY_HEADER) ?? '', all: all.length === 0 ? undefined : all, maxLanes: Number.isInteger(maxLanes) ? maxLanes : 1 };
}

function refusal(statusLine: string, reason: Reason | undefined): string {
  switch (reason) {
    case 'agent_unknown':
      return "the gateway does not know the name in this agent's certificate: add the agent to the gateway's configuration, or use the right certificate (agent_unknown)";
    case 'agent_conflict':
      return 'another agent process with this name is connected: stop it, or give each agent a name of its own (agent_conflict)';
    case undefined:
      return `the gateway refused the tunnel: ${statusLine.slice(0, 100)}`;
    default:
      return `the gateway refused the tunnel: ${statusLine.slice(0, 100)} (${reason})`;
  }
}

/** What TLS alerts and verification errors mean to the person who has to mend them. */
const SENTENCES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the gateway's certificate has expired, or its CA's",
  CERT_NOT_YET_VALID: "the gateway's certificate is not valid yet: compare the clocks",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the gateway's certificate is self-signed and not in caFile",
  SELF_SIGNED_CERT_IN_CHAIN: "the gateway's certificate was signed by a CA that is not in caFile",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the gateway's certificate was signed by a CA that is not in caFile",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the gateway's certificate was signed by a CA that is not in caFile",
  ALERT_UNKNOWN_CA: "the gateway does not trust the CA of this agent's certificate",
  ALERT_CERTIFICATE_REQUIRED: 'the gateway wants a client certificate and got none',
  ALERT_CERTIFICATE_EXPIRED: "this agent's certificate has expired, or its CA's",
  ALERT_CERTIFICATE_REVOKED: "this agent's certificate has been revoked",
  ALERT_CERTIFICATE_UNKNOWN: "the gateway does not accept this agent's certificate",
  ALERT_BAD_CERTIFICATE: "the gateway does not accept this agent's certificate",
  ALERT_UNSUPPORTED_CERTIFICATE: "this agent's certificate is not one for clients",
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: "the gateway's name does not resolve",
  EAI_AGAIN: "the gateway's name cannot be resolved now",
};

function faultOf(error: Error, serverName: string): DialFault {
  const code = errnoOf(error) ?? '';
  const isTls = code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code.includes('CERT') || code.startsWith('UNABLE_TO');
  const cause = isTls ? 'tls' : 'network';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return { cause, message: `the gateway's certificate is not for "${serverName}"` };
  // OpenSSL's versions name an alert's protocol differently (SSLV3, TLSV1, SSL/TLS): the alert itself says it all
  const alert = /_(ALERT_.+)$/.exec(code)?.[1] ?? code;
  return { cause, message: SENTENCES[alert] ?? messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
