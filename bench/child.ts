import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectDir } from '../test/support/project.js';
import type { ChildMessage } from './parent.js';

/** A program of the benchmark in a process of its own, so that its CPU is counted apart (parent.ts is its end). */

export interface Child<Message> extends AsyncDisposable {
  readonly pid: number;
  /** The next message; rejects when the child says that it failed, when it has ended, or when nothing comes in time. */
  next(timeoutMs: number): Promise<Message>;
}

const STOP_GRACE_MS = 5_000;
const LOG_MAX_CHARS = 64 * 1024;

/** `program`: path of a file in bench/, without its ending. `dir` takes the options' file. */
export async function startChild<Options extends object, Message extends object>(program: string, dir: string, options: Options): Promise<Child<Message>> {
  const optionsFile = path.join(dir, `${path.basename(program)}.json`);
  await writeFile(optionsFile, JSON.stringify(options));
  const child = fork(path.join(projectDir, 'dist/bench', `${program}.js`), [optionsFile], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let log = '';
  const keep = (text: string): void => {
    log = (log + text).slice(-LOG_MAX_CHARS);
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);

  const arrived: ChildMessage<Message>[] = [];
  let onArrival: (() => void) | undefined;
  let ended: string | undefined;
  child.on('message', (text) => {
    const message: ChildMessage<Message> = JSON.parse(String(text));
    arrived.push(message);
    onArrival?.();
  });
  // `close`, not `exit`: its output is complete, and what it sent has come.
  const closed = once(child, 'close');
  child.once('close', (code, signal) => {
    ended = `${program} has ended (${signal ?? code})\n${log}`.trimEnd();
    onArrival?.();
  });

  return {
    pid: child.pid ?? -1,
    next: async (timeoutMs) => {
      const arrival = Promise.withResolvers<void>();
      onArrival = arrival.resolve;
      const timer = setTimeout(arrival.resolve, timeoutMs);
      if (arrived.length > 0 || ended !== undefined) arrival.resolve();
      await arrival.promise;
      clearTimeout(timer);
      const message = arrived.shift();
      if (message === undefined) throw new Error(ended ?? `${program}: no word within ${timeoutMs} ms`);
      if (isFailure(message)) throw new Error(`${program}: ${message.reason}`);
      return message;
    },
    [Symbol.asyncDispose]: async () => {
      if (ended !== undefined) return;
      // Not `disconnect`: a parent that closes the channel itself may never see `close`.
      child.kill();
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

function isFailure<Message extends object>(message: ChildMessage<Message>): message is { readonly type: 'failed'; readonly reason: string } {
  return 'type' in message && message.type === 'failed' && 'reason' in message;
}
