import { Pool } from 'undici';
import type { WayToBackend } from '../../src/query/upstream.js';

/** The way to a backend without Envoy: connections to its URL, for rigs that are about what is asked and answered. */
export const dialled: WayToBackend = ({ url, caPem }) => new Pool(new URL(url).origin, { connections: 128, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, allowH2: false, ...(caPem !== undefined && { connect: { ca: caPem } }) });
