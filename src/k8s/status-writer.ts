import { CustomObjectsApi, PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from '../lib/logger.js';
import type { ObjectRef } from './metric-access.js';
import type { CustomKind } from './objects.js';

/**
 * Writes statuses, one after another: of each object only the latest, and at most one request in flight, so that a thousand objects
 * that change at once do not become a thousand requests at once.
 *
 * Every gateway writes. They say the same, and what says the same is not written, so they agree after one round.
 */
export interface StatusWriter {
  write(object: ObjectRef, status: unknown): void;
  close(): Promise<void>;
}

const RETRY_MS = 5_000;

export function createStatusWriter({ kubeConfig, kind, logger }: { readonly kubeConfig: KubeConfig; readonly kind: CustomKind; readonly logger: Logger }): StatusWriter {
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const waiting = new Map<string, { readonly object: ObjectRef; readonly status: unknown }>();
  const asMerge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  let closed = false;
  let running: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;

  async function send({ namespace, name }: ObjectRef, status: unknown): Promise<boolean> {
    try {
      await api.patchNamespacedCustomObjectStatus({ ...kind, namespace, name, body: { status }, fieldManager: 'scrapeway' }, asMerge);
      return true;
    } catch (error) {
      // Gone meanwhile: nobody to tell.
      if (codeOf(error) === 404) return true;
      logger.warn({ namespace, name, error: error instanceof Error ? error.message.slice(0, 300) : String(error) }, 'the status could not be written');
      return false;
    }
  }

  async function run(): Promise<void> {
    for (const [key, { object, status }] of waiting) {
      if (closed) return;
      waiting.delete(key);
      if (await send(object, status)) continue;
      if (!waiting.has(key)) waiting.set(key, { object, status });
      retry ??= setTimeout(() => {
        retry = undefined;
        kick();
      }, RETRY_MS);
      return;
    }
  }

  function kick(): void {
    if (closed || running !== undefined || retry !== undefined || waiting.size === 0) return;
    running = run().finally(() => {
      running = undefined;
      kick();
    });
  }

  return {
    write: (object, status) => {
      waiting.set(`${object.namespace}/${object.name}`, { object, status });
      kick();
    },
    close: async () => {
      closed = true;
      clearTimeout(retry);
      await running;
    },
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
}
