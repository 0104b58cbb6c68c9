import { issuedBy, keyBelongsTo } from '../lib/certificate.js';
import type { GatewaySpec } from '../model/desired-state.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { GatewayFile } from './gateway-file.js';

/** How agents join: what signs their certificates, and what they verify the gateway with. PEM texts. */
export interface JoinConfig {
  readonly authority: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly serverCaPem: string;
  readonly certificateTtlMs: number;
}

const SECOND_MS = 1000;
const YEAR_MS = 365 * 86_400_000;

/** `join`. A CA that the agents' listener does not trust, or a gateway that agents could not verify, would only be noticed at a site. */
export async function compileJoin(draft: Draft, { join }: GatewayFile, gateway: GatewaySpec | undefined): Promise<JoinConfig | undefined> {
  if (join === undefined) return undefined;
  const certificatePem = await readCas(draft, [{ file: join.caCertFile, place: ['join', 'caCertFile'] }]);
  const privateKeyPem = await draft.readFile(['join', 'caKeyFile'], join.caKeyFile);
  const serverCaPem = await readCas(draft, [{ file: join.serverCaFile, place: ['join', 'serverCaFile'] }]);
  const certificateTtlMs = draft.durationMs(['join', 'certificateTtl'], join.certificateTtl, { minMs: 5 * SECOND_MS, maxMs: YEAR_MS });
  if (certificatePem === undefined || privateKeyPem === undefined || serverCaPem === undefined || certificateTtlMs === undefined) return undefined;
  const belongs = keyBelongsTo(certificatePem, privateKeyPem);
  if (!belongs.ok) draft.fault(['join', 'caKeyFile'], belongs.error);
  else if (!belongs.value) draft.fault(['join', 'caKeyFile'], 'is not the key of join.caCertFile');
  if (gateway !== undefined) {
    // What stands in Secrets is not known yet.
    const { clientCas = [] } = gateway.agents.fromSecrets ?? {};
    if (clientCas.length === 0 && !issuedBy(certificatePem, gateway.agents.clientCaPem)) draft.fault(['join', 'caCertFile'], 'is not among listeners.agents.tls.clientCaFiles: agents that join would not be let in');
    for (const door of ['scrape', 'agents'] as const) {
      if (gateway[door].certificateChainPem !== '' && !issuedBy(gateway[door].certificateChainPem, serverCaPem)) draft.warn(['join', 'serverCaFile'], `did not sign the certificate of listeners.${door} itself; agents can verify it only if the chain to it is complete`);
    }
  }
  return { authority: { certificatePem, privateKeyPem }, serverCaPem, certificateTtlMs };
}
