#!/usr/bin/env node
/**
 * The command line. Each command is a file, which is read when that command is asked for: an agent starts in a fraction of the time, and in a fraction of
 * the memory, of a process that has read the gateway too. This one only finds it, and turns what it throws into an exit code.
 */
import { complain, print, UsageError } from './command.js';
import type { Command } from './command.js';

/** In the order of the help. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['up', async () => (await import('./gateway-command.js')).upCommand],
  ['gateway', async () => (await import('./gateway-command.js')).gatewayCommand],
  ['bootstrap', async () => (await import('./gateway-command.js')).bootstrapCommand],
  ['agent', async () => (await import('./agent-command.js')).agentCommand],
  ['check', async () => (await import('./check-command.js')).checkCommand],
  ['explain', async () => (await import('./explain-command.js')).explainCommand],
  ['audit', async () => (await import('./audit-command.js')).auditCommand],
  ['pki', async () => (await import('./pki-command.js')).pkiCommand],
  ['token', async () => (await import('./token-command.js')).tokenCommand],
  ['xds', async () => (await import('./xds-status-command.js')).xdsCommand],
  ['xds-adapter', async () => (await import('./xds-adapter-command.js')).xdsAdapterCommand],
  ['version', async () => (await import('./version.js')).versionCommand],
]);

async function help(): Promise<string> {
  const commands = await Promise.all([...COMMANDS.values()].map((load) => load()));
  const width = Math.max(...commands.map(({ usage }) => usage.length));
  return ['Usage:', ...commands.map(({ usage, summary }) => `  scrapeway ${usage.padEnd(width)}  ${summary}`)].join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    print(await help());
    return name === undefined ? 2 : 0;
  }
  const command = await COMMANDS.get(name)?.();
  if (command === undefined) {
    complain(`scrapeway: unknown command "${name}"\n${await help()}`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    print(`Usage: scrapeway ${command.usage}\n${command.summary}`);
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    complain(`scrapeway ${command.name}: ${error.message}\nUsage: scrapeway ${command.usage}`);
    return 2;
  }
}

process.exit(await main(process.argv.slice(2)));
