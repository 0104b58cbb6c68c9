import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { createTempDir } from '../../test/support/temp-dir.js';
import { followKubeConfig } from './kube-config.js';

const configOf = (server: string, token: string): string =>
  JSON.stringify({
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  });

describe('a kubeconfig file', () => {
  it('is followed as it changes in place, and one that cannot be used changes nothing', async () => {
    await using dir = await createTempDir();
    const file = dir.join('config');
    await writeFile(file, configOf('https://one:1', 'first'));
    const current = followKubeConfig({ kind: 'kubeconfig', file, context: undefined });
    const said = async (): Promise<unknown> => {
      const config = await current();
      return [config.getCurrentCluster()?.server, config.getCurrentUser()?.token];
    };
    expect(await said()).toEqual(['https://one:1', 'first']);
    await writeFile(file, configOf('https://one:1', 'rotated'));
    expect(await said()).toEqual(['https://one:1', 'rotated']);
    await writeFile(file, configOf('https://two:2', 'cut off').slice(0, -10));
    expect(await said()).toEqual(['https://one:1', 'rotated']);
    await writeFile(file, configOf('https://two:2', 'whole'));
    expect(await said()).toEqual(['https://two:2', 'whole']);
  });
});
