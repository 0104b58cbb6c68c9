import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.js';
import type { KubeAnswer, KubeApi } from '../kube/api.js';
import { silentLogger } from '../lib/logger.js';
import { watchSecrets } from './watched-secrets.js';
import type { WatchedSecrets } from './watched-secrets.js';

/** To ask for a Secret is to watch it, until nobody asks any more. */

interface Rig extends AsyncDisposable {
  readonly secrets: WatchedSecrets;
  readonly asked: string[];
  readonly ended: string[];
}

function rig(answer: KubeAnswer | Error): Rig {
  const [asked, ended]: [string[], string[]] = [[], []];
  const shown = (path: string): string => `${path.split('?')[0] ?? ''} ${new URLSearchParams(path.split('?')[1]).get('fieldSelector') ?? ''}`.trim();
  const api: KubeApi = {
    send: ({ path }) => {
      asked.push(shown(path));
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    watch: (path, { signal, onOpen }) => {
      onOpen();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended.push(shown(path));
          reject(new Error('ended'));
        }, { once: true });
      });
    },
    close: () => {},
  };
  const secrets = watchSecrets({ api, onChange: () => {}, logger: silentLogger });
  return { secrets, asked, ended, [Symbol.asyncDispose]: () => secrets.close() };
}

const LIST: KubeAnswer = { status: 200, body: { metadata: { resourceVersion: '1' }, items: [{ metadata: { namespace: 'a', name: 'one', resourceVersion: '1' }, data: { key: 'dGV4dA==' } }] } };
const ONE = { namespace: 'a', name: 'one' };

describe('Secrets that are asked for', () => {
  it('are watched by name, or with their whole namespace, once', async () => {
    await using rigged = rig(LIST);
    expect(rigged.secrets.look(ONE, 'name')).toBe('has not been read yet');
    expect(rigged.secrets.look({ namespace: 'b', name: 'two' }, 'namespace')).toBe('has not been read yet');
    expect(rigged.secrets.waitingFor()).toEqual(['Secret a/one: its first list', 'secrets of b: its first list']);
    await eventually(() => expect(rigged.secrets.look(ONE, 'name')).toEqual({ data: { key: 'dGV4dA==' } }));
    expect(rigged.secrets.look({ namespace: 'b', name: 'two' }, 'namespace')).toBe('does not exist in this namespace');
    expect(rigged.asked).toEqual(['/api/v1/namespaces/a/secrets metadata.name=one', '/api/v1/namespaces/b/secrets']);
    expect(rigged.secrets.waitingFor()).toEqual([]);
  });

  it('are watched no more when a whole round has passed in which nobody asked', async () => {
    await using rigged = rig(LIST);
    rigged.secrets.look(ONE, 'name');
    await eventually(() => expect(rigged.secrets.waitingFor()).toEqual([]));
    rigged.secrets.sweep();
    rigged.secrets.look(ONE, 'name');
    rigged.secrets.sweep();
    expect(rigged.ended).toEqual([]);
    rigged.secrets.sweep();
    await eventually(() => expect(rigged.ended).toEqual(['/api/v1/namespaces/a/secrets metadata.name=one']));
  });

  it('that the API server refuses hold nothing up, and whoever asks is told; one that does not answer is awaited', async () => {
    await using refused = rig({ status: 403, body: { message: 'secrets is forbidden' } });
    refused.secrets.look(ONE, 'name');
    await eventually(() => expect(refused.secrets.look(ONE, 'name')).toBe('cannot be read (403: secrets is forbidden)'));
    expect(refused.secrets.waitingFor()).toEqual([]);
    await using away = rig(new Error('connect ECONNREFUSED'));
    away.secrets.look(ONE, 'name');
    await eventually(() => expect(away.secrets.waitingFor()).toEqual(['Secret a/one: connect ECONNREFUSED']));
  });

  it('are 500 at most by name', () => {
    const rigged = rig(new Error('away'));
    for (let index = 0; index < 500; index += 1) rigged.secrets.look({ namespace: 'a', name: `s${index}` }, 'name');
    expect(rigged.secrets.look(ONE, 'name')).toBe('is not read: more than 500 are named');
    expect(rigged.secrets.look({ namespace: 'a', name: 's0' }, 'name')).not.toContain('500');
    return rigged.secrets.close();
  });
});
