import { checkFile } from '../config/check.js';
import { environment } from './environment.js';
import { complain, parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';

export const checkCommand: Command = {
  name: 'check',
  usage: 'check FILE…',
  summary: 'Check configuration files (gateway or agent): every fault with its line, nothing is started',
  run: async (argv) => {
    const { positionals } = parseCommandLine(argv, {});
    if (positionals.length === 0) throw new UsageError('name at least one file');
    let failed = false;
    for (const path of positionals) {
      const { faults, warnings, kind } = await checkFile(path, environment());
      for (const line of warnings) complain(`warning: ${line}`);
      for (const line of faults) complain(line);
      failed ||= faults.length > 0;
      if (faults.length === 0) print(`${path}: ok (${kind})`);
    }
    return failed ? 1 : 0;
  },
};
