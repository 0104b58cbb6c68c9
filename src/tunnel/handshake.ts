/**
 * The upgrade that opens a tunnel: an HTTP/1.1 request of the agent, answered by the hub through Envoy.
 *
 * The one idea: the handshake carries no identity. Who the agent is, Envoy knows from its certificate and ext_authz stamps on the
 * request; the agent itself says only which protocol it speaks and which process it is.
 */

export const TUNNEL_PATH = '/tunnel';
/** Upgrade type; Envoy's agents listener offers no other. */
export const TUNNEL_PROTOCOL = 'scrapeway-tunnel';
/** Version of everything below: the control stream's messages and the scrape streams' headers. */
export const TUNNEL_VERSION = '1';

export const VERSION_HEADER = 'tunnel-version';
/** Random id of the agent's process: tells a reconnect of the same agent from a second one with the same name. */
export const INSTANCE_HEADER = 'tunnel-instance';
/** In the answer: id of the gateway, so that an agent behind a load balancer knows whom it has met. */
export const GATEWAY_HEADER = 'x-scrapeway-gateway';
/** Stamped by ext_authz from the verified certificate; never taken from outside. */
export const AGENT_HEADER = 'x-scrapeway-agent';
/** Stamped beside it where the agent is a member of a site: then `AGENT_HEADER` is the site, and this is the agent. */
export const MEMBER_HEADER = 'x-scrapeway-member';

/** Stamped by Envoy from the handshake. */
const SERIAL_HEADER = 'x-scrapeway-peer-serial';

/** The agent's request, as it is written to the socket. `host` is the gateway's name. */
export function upgradeRequest(host: string, instance: string): string {
  return [
    `GET ${TUNNEL_PATH} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    `Upgrade: ${TUNNEL_PROTOCOL}`,
    `${VERSION_HEADER}: ${TUNNEL_VERSION}`,
    `${INSTANCE_HEADER}: ${instance}`,
    '\r\n',
  ].join('\r\n');
}

const INSTANCE = /^[A-Za-z0-9-]{8,64}$/;

export interface Upgrade {
  readonly agent: string;
  /** What its scrapes are asked for by: its site, or itself. */
  readonly home: string;
  readonly instance: string;
  /** Serial number of the agent's certificate, hex; undefined where Envoy stamped none. */
  readonly serial: string | undefined;
}

/**
 * Reads an upgrade request's headers (names in lower case). Returns undefined for anything but a handshake of our version with
 * a stamped agent.
 */
export function readUpgrade(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Upgrade | undefined {
  const home = headers[AGENT_HEADER];
  const agent = headers[MEMBER_HEADER] ?? home;
  const instance = headers[INSTANCE_HEADER];
  if (typeof home !== 'string' || home === '' || typeof agent !== 'string') return undefined;
  if (String(headers['upgrade']).toLowerCase() !== TUNNEL_PROTOCOL || headers[VERSION_HEADER] !== TUNNEL_VERSION) return undefined;
  if (typeof instance !== 'string' || !INSTANCE.test(instance)) return undefined;
  const serial = headers[SERIAL_HEADER];
  return { agent, home, instance, serial: typeof serial === 'string' ? serial : undefined };
}

/** The hub's answer; HTTP/2 with the roles reversed follows at once. */
export function upgradeAnswer(gatewayId: string): string {
  return ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', `Upgrade: ${TUNNEL_PROTOCOL}`, `${GATEWAY_HEADER}: ${gatewayId}`, '\r\n'].join('\r\n');
}
