import type { Contestant } from '../contestant.js';
import { behindEnvoy } from './behind-envoy.js';
import { pushProx } from './pushprox.js';
import { secure } from './secure.js';
import { LESS_CONTESTANTS } from './less.js';

/** Everybody, in the order of a round. */
export const CONTESTANTS: readonly Contestant[] = [
  behindEnvoy({
    name: 'plain',
    what: "load → Envoy (bare: no TLS, no ext_authz, no access log) → Scrapeway's hub → emulated agents on its Unix socket",
    role: 'hub',
    program: 'hub-process',
    registers: true,
  }),
  behindEnvoy({
    name: 'naive',
    what: 'the same with a relay of `node:http2` streams in place of the hub',
    role: 'relay',
    program: 'naive-relay',
    registers: false,
  }),
  pushProx,
  secure,
];

/** Those who take part only where they are named: what each part of the security costs. */
export const BY_NAME: readonly Contestant[] = LESS_CONTESTANTS;
