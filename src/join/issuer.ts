/**
 * Certificates for agents, at the gateway: the first for a token, the next ones for the certificate before. Who asks for the next one
 * was settled by ext_authz; of the request only the key is taken, never a name.
 */
import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import { certificateInfo } from '../lib/certificate.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import { REASON_HEADER, reasonBody, REASONS } from '../model/reasons.js';
import type { Reason } from '../model/reasons.js';
import { issueRequested, readRequest } from '../pki/certificate.js';
import type { KeyPairPem } from '../pki/certificate.js';
import { tokenKey, verifyToken } from './token.js';
import type { UsedTokens } from './used-tokens.js';

export interface JoinSettings {
  /** Signs agents' certificates; the agents' listener trusts it. */
  readonly authority: KeyPairPem;
  /** What agents verify the gateway with, PEM. */
  readonly serverCaPem: string;
  readonly certificateTtlMs: number;
}

export interface Issuer {
  configure(state: DesiredState, settings: JoinSettings | undefined): void;
  /** False: not a path of this door. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

export interface IssuerOptions {
  readonly used: UsedTokens;
  readonly logger: Logger;
  readonly registry: Registry;
  /** ms since the epoch. */
  readonly wallMs?: () => number;
}

const JOIN_PATH = '/agents/join';
const RENEW_PATH = '/agents/renew';
const MAX_BODY_BYTES = 16 * 1024;
const MAX_REQUESTS = 64;
/** Sites' clocks drift; a short life is not to be spent on that. */
const BACKDATE_MS = 5 * 60_000;
const BACKDATE_SHARE = 0.1;

interface Config {
  readonly state: DesiredState;
  readonly settings: JoinSettings;
  readonly key: Buffer;
}

interface Asked {
  readonly token: string;
  readonly csr: string;
}

export function createIssuer({ used, logger, registry, wallMs = Date.now }: IssuerOptions): Issuer {
  let config: Config | undefined;
  let inFlight = 0;
  const counter = new Counter({ name: 'scrapeway_join_requests_total', help: 'Requests for agents\' certificates, by kind (join, renew) and outcome: issued, or a reason code.', labelNames: ['kind', 'outcome'], registers: [registry] });

  async function issue({ state, settings }: Config, name: string, asked: Asked, isAllowed: (keyFingerprint: string) => Promise<Reason | undefined>): Promise<string | Reason> {
    const request = await readRequest(asked.csr);
    if (!request.ok) return 'join_malformed';
    const agent = state.agents.find((each) => each.name === name);
    if (agent === undefined) return 'agent_unknown';
    if (state.gateway.revoked?.sans.some((san) => san.type === agent.san.type && san.value === agent.san.value) === true) return 'revoked';
    const refusal = await isAllowed(hash('sha256', request.value.publicKey, 'hex'));
    if (refusal !== undefined) return refusal;
    const { certificateTtlMs, authority, serverCaPem } = settings;
    const notBefore = new Date(wallMs() - Math.min(BACKDATE_MS, certificateTtlMs * BACKDATE_SHARE));
    const leaf = { commonName: name, sans: [agent.san], usage: 'client', notBefore, notAfter: new Date(wallMs() + certificateTtlMs) } as const;
    const certificate = await issueRequested(authority, request.value, leaf);
    const info = certificateInfo(certificate);
    logger.info({ agent: name, serial: info.ok ? info.value.serialNumber : undefined, notAfter: leaf.notAfter }, 'certificate issued');
    return JSON.stringify({ certificate, ca: serverCaPem });
  }
  const join = async (current: Config, asked: Asked): Promise<string | Reason> => {
    const token = verifyToken(asked.token, current.key);
    if (!token.ok) return 'token_invalid';
    if (token.value.expiresMs <= wallMs()) return 'token_expired';
    return issue(current, token.value.agent, asked, async (key) => ((await used.use(token.value, key)) ? undefined : 'token_used'));
  };
  const answer = async (request: IncomingMessage, response: ServerResponse, kind: 'join' | 'renew', work: (current: Config, asked: Asked) => Promise<string | Reason>): Promise<void> => {
    let result: string | Reason;
    try {
      const asked = readAsked(await readBody(request));
      if (config === undefined) result = 'door_forbidden';
      else result = asked === undefined ? 'join_malformed' : await work(config, asked);
    } catch (error) {
      logger.error({ err: error, kind }, 'no certificate could be issued');
      result = 'api_error';
    }
    const reason = isRefusal(result) ? result : undefined;
    counter.inc({ kind, outcome: reason ?? 'issued' });
    if (reason !== undefined) logger.warn({ kind, reason, agent: request.headers['x-scrapeway-agent'] }, 'certificate refused');
    send(response, reason === undefined ? { status: 200, body: result } : reason);
  };

  return {
    configure: (state, settings) => {
      config = settings && { state, settings, key: tokenKey(settings.authority.privateKeyPem) };
    },
    handle: (request, response) => {
      const agent = request.headers['x-scrapeway-agent'];
      const isJoin = request.url === JOIN_PATH && request.headers['x-scrapeway-join'] !== undefined;
      if (!isJoin && !(request.url === RENEW_PATH && typeof agent === 'string')) return false;
      if (inFlight >= MAX_REQUESTS) return send(response, 'gateway_overloaded');
      if (isJoin && request.method === 'GET') return send(response, config === undefined ? 'door_forbidden' : { status: 200, body: JSON.stringify({ ca: config.settings.serverCaPem }) });
      inFlight += 1;
      void answer(request, response, isJoin ? 'join' : 'renew', isJoin ? join : (current, asked) => issue(current, String(agent), asked, async () => undefined)).finally(() => {
        inFlight -= 1;
      });
      return true;
    },
  };
}

function isRefusal(result: string): result is Reason {
  return Object.hasOwn(REASONS, result);
}

function readAsked(body: string | undefined): Asked | undefined {
  try {
    const { token = '', csr }: { token?: unknown; csr?: unknown } = JSON.parse(body ?? '');
    return typeof token === 'string' && typeof csr === 'string' ? { token, csr } : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined: longer than any request for a certificate. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    // read to the end, so that the answer can be told
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, answer: Reason | { readonly status: number; readonly body: string }): true {
  const isReason = typeof answer === 'string';
  const body = isReason ? reasonBody(answer) : answer.body;
  response
    .writeHead(isReason ? REASONS[answer].status : answer.status, {
      'content-type': isReason ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
      ...(isReason && { [REASON_HEADER]: answer }),
      'content-length': Buffer.byteLength(body),
    })
    .end(body);
  return true;
}
