import type { Registry } from 'prom-client';
import type { Logger } from '../lib/logger.js';
import type { SitePush } from '../model/site-push.js';
import type { SiteDoor } from '../push/site/door.js';

/** The push door in the life of an agent: what it needs is read when a configuration first has one, since most agents have none. */
export interface AgentPush {
  /** From now on; undefined: no door. */
  configure(settings: SitePush | undefined): void;
  /** What is not as it should be, for `/readyz`: whoever sends jobs here should send them elsewhere. */
  troubles(): readonly string[];
  /** Answers what is under way, and closes. */
  drain(): Promise<void>;
}

export function createAgentPush(deps: { readonly logger: Logger; readonly registry: Registry }): AgentPush {
  let settings: SitePush | undefined;
  let opening: Promise<SiteDoor> | undefined;
  let door: SiteDoor | undefined;

  async function open(): Promise<SiteDoor> {
    const { createSiteDoor } = await import('../push/site/door.js');
    door = createSiteDoor(deps);
    return door;
  }

  return {
    configure: (next) => {
      settings = next;
      if (settings === undefined && opening === undefined) return;
      opening ??= open();
      opening.then((opened) => opened.configure(settings)).catch((error: unknown) => deps.logger.error({ err: error }, 'the push door cannot be opened'));
    },
    troubles: () => (settings !== undefined && door?.port() === undefined ? ['the push door does not listen'] : []),
    drain: async () => {
      settings = undefined;
      await (await opening)?.drain();
    },
  };
}
