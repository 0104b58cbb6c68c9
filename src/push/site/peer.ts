import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { sanKey } from '../../credentials/san.js';
import { certificateInfo } from '../../lib/certificate.js';
import type { Shown } from './identity.js';

/** The client's certificate as OpenSSL has judged it in the handshake, read once for each connection. */
const known = new WeakMap<Socket, Shown['certificate']>();

export function shownBy(request: IncomingMessage): Shown {
  const { socket } = request;
  if (!known.has(socket)) known.set(socket, certificateOf(socket));
  // Of two such headers Node keeps the first; each that is shown must be good, and two make none (authorization.ts).
  return { authorization: request.headersDistinct['authorization']?.join(', '), certificate: known.get(socket) };
}

function certificateOf(socket: Socket): Shown['certificate'] {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined || !(socket instanceof TLSSocket)) return undefined;
  const info = socket.authorized ? certificateInfo(certificate.toString()) : undefined;
  if (info?.ok !== true) return 'unverified';
  return info.value.sans.flatMap(({ type, value }) => (type === 'ip' ? [] : [sanKey(type, value)]));
}
