import type { Contestant } from '../contestant.js';
import { behindEnvoy } from './behind-envoy.js';
import { LESS_CONTESTANTS } from './less.js';
import { pushProx } from './pushprox.js';
import { reverseTunnel } from './reverse-tunnel.js';
import { secure } from './secure.js';
import { bareEnvoy, direct } from './without-tunnel.js';

export const plain = behindEnvoy({
  name: 'plain',
  what: "load → Envoy (bare: no TLS, no ext_authz, no access log) → Scrapeway's hub → emulated agents on its Unix socket",
  role: 'hub',
  program: 'hub-process',
  registers: true,
});

export const naive = behindEnvoy({
  name: 'naive',
  what: 'the same with a relay of `node:http2` streams in place of the hub',
  role: 'relay',
  program: 'naive-relay',
  registers: false,
});

/** Everybody, in the order of a round. */
export const CONTESTANTS: readonly Contestant[] = [direct, bareEnvoy, plain, naive, reverseTunnel, pushProx, secure];

/** Those who take part only where they are named: what each part of the security costs. */
export const BY_NAME: readonly Contestant[] = LESS_CONTESTANTS;
