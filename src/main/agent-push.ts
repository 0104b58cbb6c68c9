import type { Logger, LogLevel } from '../lib/logger.js';
import type { SitePush } from '../model/site-push.js';
import { superviseThread } from './supervised-thread.js';

/** The push door in the life of an agent: a thread of its own, which there is from the moment on that a configuration has a door. Most have none. */
export interface AgentPush {
  /** From now on; undefined: no door. */
  configure(settings: SitePush | undefined): void;
  /** What is not as it should be, for `/readyz`. */
  troubles(): readonly string[];
  /** Its metrics as text; '' where there is no door. */
  metrics(): Promise<string>;
  /** Answers what is under way, and closes. */
  drain(): Promise<void>;
}

/** `workerData` of the thread. */
export interface SitePushThreadOptions {
  readonly logLevel: LogLevel;
  /** In each line of the log. */
  readonly logFields: Readonly<Record<string, string>>;
}

export type ToSitePush =
  | { readonly type: 'configure'; readonly settings: SitePush | undefined }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'close' };

export type FromSitePush =
  | { readonly type: 'listening'; readonly listening: boolean }
  | { readonly type: 'metrics'; readonly id: number; readonly text: string }
  | { readonly type: 'closed' };

/** What a push leaves behind is dead at once; where there is much room for it, much memory is taken. */
const YOUNG_MIB = 16;

export function createAgentPush({ logger, drainTimeoutMs, ...workerData }: SitePushThreadOptions & { readonly logger: Logger; readonly drainTimeoutMs: number }): AgentPush {
  let settings: SitePush | undefined;
  let isListening = false;
  const thread = superviseThread<ToSitePush, FromSitePush>({
    file: './site-push-thread.js',
    name: 'push',
    workerData,
    youngMib: YOUNG_MIB,
    closeTimeoutMs: drainTimeoutMs,
    logger,
    greeting: () => [{ type: 'configure', settings }],
    onWord: (message) => {
      if (message.type === 'listening') isListening = message.listening;
    },
    onEnd: () => {
      isListening = false;
    },
  });
  return {
    configure: (next) => {
      settings = next;
      if (thread.isRunning()) thread.post({ type: 'configure', settings });
      else if (settings !== undefined) thread.start();
    },
    troubles: () => (settings !== undefined && !isListening ? ['the push door does not listen'] : []),
    metrics: async () => {
      const answer = await thread.ask((id) => ({ type: 'collect', id }));
      return answer?.type === 'metrics' ? answer.text : '';
    },
    drain: () => thread.close({ type: 'close' }),
  };
}
