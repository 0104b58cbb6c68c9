#!/usr/bin/env node
/**
 * The command line. Each command is a file; this one only finds it, and turns what it throws into an exit code.
 */
import { agentCommand } from './agent-command.js';
import { auditCommand } from './audit-command.js';
import { checkCommand } from './check-command.js';
import { complain, print, UsageError } from './command.js';
import type { Command } from './command.js';
import { explainCommand } from './explain-command.js';
import { bootstrapCommand, gatewayCommand, upCommand } from './gateway-command.js';
import { pkiCommand } from './pki-command.js';
import { tokenCommand } from './token-command.js';
import { versionCommand } from './version.js';
import { xdsAdapterCommand } from './xds-adapter-command.js';
import { xdsCommand } from './xds-status-command.js';

const COMMANDS: readonly Command[] = [upCommand, gatewayCommand, bootstrapCommand, agentCommand, checkCommand, explainCommand, auditCommand, pkiCommand, tokenCommand, xdsCommand, xdsAdapterCommand, versionCommand];

function help(): string {
  const width = Math.max(...COMMANDS.map((c) => c.usage.length));
  return ['Usage:', ...COMMANDS.map((c) => `  scrapeway ${c.usage.padEnd(width)}  ${c.summary}`)].join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    print(help());
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) {
    complain(`scrapeway: unknown command "${name}"\n${help()}`);
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
