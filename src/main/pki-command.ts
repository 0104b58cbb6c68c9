import { isIP } from 'node:net';
import { formatFault } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { initCa, issueAgent, issueClient, issueGateway } from '../pki/pki.js';
import type { Issued } from '../pki/pki.js';
import { complain, parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';

const OPTIONS = {
  dir: { type: 'string', default: 'pki' },
  name: { type: 'string', multiple: true },
  days: { type: 'string' },
  renew: { type: 'boolean', default: false },
} as const;

export const pkiCommand: Command = {
  name: 'pki',
  usage: 'pki init | pki issue gateway|agent|client --name NAME… [--dir DIR] [--days N] [--renew]',
  summary: 'Certificates for people without a CA: one root each for gateways, agents and clients',
  run: async (argv) => {
    const { values, positionals } = parseCommandLine(argv, OPTIONS);
    const days = values.days === undefined ? {} : { days: numberOfDays(values.days) };
    const [action, kind, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`unexpected "${rest.join(' ')}"`);
    if (action === 'init' && kind === undefined) {
      const [name] = values.name ?? [];
      return report(await initCa({ dir: values.dir, ...days, ...(name === undefined ? {} : { name }) }), (files) => files);
    }
    if (action !== 'issue') throw new UsageError('expected "init" or "issue gateway|agent|client"');
    const issue = { dir: values.dir, renew: values.renew, ...days };
    return report(await issueKind(kind, values.name ?? [], issue), ({ certificateFile, keyFile, info }) => [
      certificateFile,
      keyFile,
      `valid until ${info.notAfter.toISOString()}`,
    ]);
  },
};

function issueKind(kind: string | undefined, names: readonly string[], options: { dir: string; renew: boolean; days?: number }): Promise<Result<Issued>> {
  const [name, ...more] = names;
  if (name === undefined) throw new UsageError('--name is missing: a host name or address for a gateway, else the name of the agent or tenant');
  if (kind === 'gateway') {
    return issueGateway({ ...options, names: names.filter((n) => isIP(n) === 0), ips: names.filter((n) => isIP(n) !== 0) });
  }
  if (more.length > 0) throw new UsageError('one --name only');
  switch (kind) {
    case 'agent':
      return issueAgent({ ...options, name });
    case 'client':
      return issueClient({ ...options, tenant: name });
    default:
      throw new UsageError(`cannot issue "${kind ?? ''}": gateway, agent or client`);
  }
}

function numberOfDays(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UsageError('--days takes a whole number');
  return Number(text);
}

function report<T>(result: Result<T>, lines: (value: T) => readonly string[]): number {
  if (result.ok) {
    lines(result.value).forEach(print);
    return 0;
  }
  for (const fault of result.error) complain(formatFault(fault));
  return 1;
}
