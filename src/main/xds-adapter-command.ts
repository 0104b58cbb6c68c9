import { createLogger } from '../lib/logger.js';
import { startXdsAdapter } from '../xds/adapter.js';
import type { HostPort } from '../xds/adapter.js';
import { parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';

/** A test tool (docs/xds.md): our xDS server, with its resources set by the public conformance harness. */
export const xdsAdapterCommand: Command = {
  name: 'xds-adapter',
  usage: 'xds-adapter [--listen HOST:PORT] [--adapter HOST:PORT] [--verbose]',
  summary: 'Test tool: serve xDS for the public conformance harness ii/xds-test-harness (default ports 18000 and 17000)',
  run: async (argv) => {
    const { values, positionals } = parseCommandLine(argv, {
      listen: { type: 'string', default: '127.0.0.1:18000' },
      adapter: { type: 'string', default: '127.0.0.1:17000' },
      verbose: { type: 'boolean', default: false },
    });
    if (positionals.length > 0) throw new UsageError(`unexpected "${positionals.join(' ')}"`);
    const logger = createLogger(values.verbose ? 'trace' : 'warn');
    const adapter = await startXdsAdapter({ xds: hostPort(values.listen), adapter: hostPort(values.adapter), logger });
    print(`xDS on ${adapter.xds.host}:${adapter.xds.port}, adapter on ${adapter.adapter.host}:${adapter.adapter.port}`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await adapter.close();
    return 0;
  },
};

function hostPort(text: string): HostPort {
  const match = /^(?<host>.*):(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.['port']);
  if (match === null || port > 65_535) throw new UsageError(`"${text}" is not HOST:PORT`);
  return { host: match.groups?.['host'] || '127.0.0.1', port };
}
