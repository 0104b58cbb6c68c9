/**
 * The quick start's certificates: made once per state folder by the same functions as `scrapeway pki`, kept from run to run.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatFault } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import { initCa, issueAgent, issueClient, issueGateway } from '../../pki/pki.js';

/** Makes what is missing; throws when the folder holds something that does not belong there. */
export async function issueQuickstartCertificates(dir: string): Promise<void> {
  if (existsSync(join(dir, 'clients/team-b.crt'))) return;
  demand(await initCa({ dir }));
  demand(await issueGateway({ dir, names: ['localhost'], ips: ['127.0.0.1'] }));
  demand(await issueAgent({ dir, name: 'site-a' }));
  demand(await issueAgent({ dir, name: 'site-b' }));
  demand(await issueClient({ dir, tenant: 'team-b' }));
}

function demand<T>(result: Result<T>): void {
  if (!result.ok) throw new Error(`the quick start's certificates cannot be made:\n${result.error.map((f) => formatFault(f)).join('\n')}`);
}
