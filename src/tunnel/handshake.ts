/**
 * The upgrade that opens a tunnel: an HTTP/1.1 request of the agent, answered by the hub through Envoy.
 *
 * The one idea: the handshake carries no identity. Who the agent is, Envoy knows from its certificate and ext_authz stamps on the
 * request; the agent itself says only which protocol it speaks and which process it is.
 */
import { isGatewayId } from '../model/names.js';

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
/** In the answer, where the operator has said it: ids of all gateways behind the agents' address, that one included. */
export const GATEWAYS_HEADER = 'x-scrapeway-gateways';
/**
 * In the request: gateways that this process has a tunnel to. Such a gateway, met again behind a load balancer, says so instead of
 * replacing the tunnel by a second one.
 */
export const KNOWN_HEADER = 'tunnel-known';
/** In the answer: how many connections, lanes, an agent's tunnel may have at this gateway; missing = one, as before there were lanes. */
export const LANES_HEADER = 'x-scrapeway-lanes';
/** In the request: not a tunnel, but one more lane of the tunnel that this process has to the gateway of this id. */
export const LANE_HEADER = 'tunnel-lane';
/** Lanes that an agent's tunnel may have, where the operator says nothing else. */
export const MAX_LANES = 16;
/** More gateways than that nobody has; it keeps the request's head small. */
const MAX_IDS = 64;

/** Stamped by ext_authz from the verified certificate; never taken from outside. */
export const AGENT_HEADER = 'x-scrapeway-agent';
/** Stamped beside it where the agent is a member of a site: then `AGENT_HEADER` is the site, and this is the agent. */
export const MEMBER_HEADER = 'x-scrapeway-member';

/** Stamped by Envoy from the handshake. */
const SERIAL_HEADER = 'x-scrapeway-peer-serial';
const ISSUER_HEADER = 'x-scrapeway-peer-issuer';

/** The agent's request, as it is written to the socket. `host` is the gateway's name; `known`: ids of gateways with a tunnel; `lane`: `LANE_HEADER`. */
export function upgradeRequest(host: string, instance: string, known: readonly string[] = [], lane?: string): string {
  return [
    `GET ${TUNNEL_PATH} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    `Upgrade: ${TUNNEL_PROTOCOL}`,
    `${VERSION_HEADER}: ${TUNNEL_VERSION}`,
    `${INSTANCE_HEADER}: ${instance}`,
    ...(known.length === 0 ? [] : [`${KNOWN_HEADER}: ${known.slice(0, MAX_IDS).join(',')}`]),
    ...(lane === undefined ? [] : [`${LANE_HEADER}: ${lane}`]),
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
  /** Who signed it, as Envoy writes the name; undefined where it stamped none. */
  readonly issuer: string | undefined;
  /** Gateways that the process says it has a tunnel to. */
  readonly known: readonly string[];
  /** Wanted is a lane of the tunnel to the gateway of this id; undefined = a tunnel. */
  readonly lane: string | undefined;
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
  return { agent, home, instance, serial: single(serial), issuer: single(headers[ISSUER_HEADER]), known: readIds(headers[KNOWN_HEADER]), lane: single(headers[LANE_HEADER]) };
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Ids from a header; what is no id is left out. */
export function readIds(value: string | readonly string[] | undefined): readonly string[] {
  if (typeof value !== 'string') return [];
  return value.split(',', MAX_IDS).map((id) => id.trim()).filter(isGatewayId);
}

/** What a gateway says of itself and of others. */
export interface GatewayIds {
  readonly id: string;
  /** All behind the agents' address, itself included; undefined = not known. */
  readonly all?: readonly string[] | undefined;
}

/** Lines of the gateway's answer, accepted or not, that say whom the agent has met. */
export function gatewayIdLines({ id, all }: GatewayIds): readonly string[] {
  return [`${GATEWAY_HEADER}: ${id}`, ...(all === undefined ? [] : [`${GATEWAYS_HEADER}: ${all.slice(0, MAX_IDS).join(',')}`])];
}

/** The hub's answer; HTTP/2 with the roles reversed follows at once. `lanes`: `LANES_HEADER`. */
export function upgradeAnswer(gateway: GatewayIds, lanes = 1): string {
  const laneLines = lanes > 1 ? [`${LANES_HEADER}: ${lanes}`] : [];
  return ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', `Upgrade: ${TUNNEL_PROTOCOL}`, ...gatewayIdLines(gateway), ...laneLines, '\r\n'].join('\r\n');
}
