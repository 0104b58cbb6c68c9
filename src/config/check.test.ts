import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AGENT, changed, createConfigFolder, GATEWAY, NO_ENVIRONMENT } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { checkFile } from './check.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

describe('a check', () => {
  it.each([
    ['gateway', GATEWAY],
    ['agent', AGENT],
  ])('finds nothing in a sound file of the %s', async (kind, text) => {
    expect(await checkFile(await dir.write('sound.yaml', text), NO_ENVIRONMENT)).toEqual({ kind, faults: [], warnings: [] });
  });

  it('tells faults and warnings as lines with file, line and column', async () => {
    const file = await dir.write('bad.yaml', changed(changed(GATEWAY, '[localhost]', '[localhost, gateway.example]'), 'selector:', 'select:'));
    expect(await checkFile(file, NO_ENVIRONMENT)).toEqual({
      kind: 'gateway',
      faults: [`${file}:25:9: tenants[0].scrape[0]: unknown key \`select\`; did you mean \`selector\`?`],
      warnings: [`${file}:8:17: listeners.scrape.tls.certFile: the certificate does not name "gateway.example" of gateway.names; clients that dial it must be told another server name`],
    });
  });

  it.each([
    ['agent', 'gateways:\n  - address: x\n'],
    ['agent', 'targets: []\nagnet: x\n'],
    ['gateway', 'agents: []\n'],
    ['gateway', ''],
    ['gateway', '- x\n'],
    ['gateway', 'a: [\n'],
  ])('knows a file of the %s by its keys: %j', async (kind, text) => {
    const checked = await checkFile(await dir.write('kind.yaml', text), NO_ENVIRONMENT);
    expect(checked.kind).toBe(kind);
    expect(checked.faults.length).toBeGreaterThan(0);
  });

  it('says so when there is no file', async () => {
    const file = dir.join('nowhere.yaml');
    expect((await checkFile(file, NO_ENVIRONMENT)).faults).toEqual([`${file}: does not exist`]);
  });
});
