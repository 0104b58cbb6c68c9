import { readFileSync } from 'node:fs';

/** A child process's end of the line to the benchmark (child.ts is the other): its options come in a file, its messages go by IPC. */

/** The options, of the type that child and parent agree on. From now on the child ends when the benchmark says so or is gone. */
export function optionsFromParent<Options>(): Options {
  for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit(0));
  const options: Options = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
  return options;
}

export type ChildMessage<Message> = Message | { readonly type: 'failed'; readonly reason: string };

/** The promise resolves when the message has been handed to the kernel. */
export function tell<Message extends object>(message: ChildMessage<Message>): Promise<void> {
  return new Promise((resolve) => process.send?.(JSON.stringify(message), undefined, {}, () => resolve()));
}

/** The child cannot go on: says why, and ends. */
export async function fail(error: unknown): Promise<never> {
  await tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}
