import { readFileSync } from 'node:fs';
import { print } from './command.js';
import type { Command } from './command.js';

/** The version in package.json, which stands three folders above the compiled file. */
export function version(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') return parsed.version;
  throw new Error('package.json has no version');
}

export const versionCommand: Command = {
  name: 'version',
  usage: 'version',
  summary: 'Print the version',
  run: async () => {
    print(version());
    return 0;
  },
};
