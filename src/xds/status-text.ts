/**
 * The status report as text for a terminal.
 */
import type { EnvoyReport, ResourceReport, TypeReport, XdsStatusReport } from './status-report.js';

export function statusText({ version, envoys }: XdsStatusReport): string {
  const head = version === null ? 'nothing is published yet' : `published: ${version}`;
  const body = envoys.length === 0 ? ['no Envoy is connected'] : envoys.map(envoyText);
  return [head, ...body].join('\n\n');
}

function envoyText({ node, variant, service, connectedForMs, types }: EnvoyReport): string {
  const who = [node.id === '' ? 'a client without a node id' : node.id, node.version === '' ? '' : `Envoy ${node.version}`].filter((part) => part !== '').join(', ');
  const rows = types.map((type) => [type.kind ?? type.typeUrl, type.wanted || '-', type.sent ?? '-', type.acked ?? '-', since(type.ackedForMs), stateOf(type)]);
  const table = columns([['type', 'wanted', 'sent', 'acked', 'since', 'state'], ...rows]).map((line) => `  ${line}`);
  const details = types.flatMap((type) => [...type.differing.map((resource) => resourceText(type, resource)), ...more(type)]);
  return [`${who} (${variant}, ${service}), connected for ${duration(connectedForMs)}`, ...table, ...details].join('\n');
}

function stateOf({ current, differingCount, unansweredForMs, differing }: TypeReport): string {
  if (current) return 'current';
  const refused = differing.filter(({ refused: refusal }) => refusal !== null).length;
  const parts = [
    refused > 0 ? `${refused} refused` : '',
    unansweredForMs === null ? '' : `unanswered for ${duration(unansweredForMs)}`,
    differingCount > refused ? `${differingCount - refused} on their way` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'not current' : parts.join(', ');
}

function resourceText({ kind, typeUrl }: TypeReport, { name, state, wanted, acked, refused, difference }: ResourceReport): string {
  const lines = [`  ${kind ?? typeUrl} "${name}": ${state}; wanted ${wanted ?? 'gone'}, last good ${acked ?? 'none'}`];
  if (refused !== null) {
    lines.push(`    refused ${duration(refused.forMs)} ago${refused.named ? '' : ' together with others, and not named'}: ${refused.words}`);
    if (refused.resourceFields.length > 0) lines.push(`    field of the resource: ${refused.resourceFields.join(', ')}`);
    if (refused.ourFields.length > 0) lines.push(`    our field: ${refused.ourFields.join(', ')}`);
  }
  if (difference === null) lines.push('    the last good one is only known by its version');
  else for (const { path, before, after } of difference) lines.push(`    ${path === '' ? '(all of it)' : path}: ${short(before)} → ${short(after)}`);
  return lines.join('\n');
}

function more({ differing, differingCount }: TypeReport): string[] {
  return differingCount > differing.length ? [`  … and ${differingCount - differing.length} more`] : [];
}

const MAX_VALUE = 120;

function short(value: unknown): string {
  const text = value === null ? 'nothing' : JSON.stringify(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}

function since(ms: number | null): string {
  return ms === null ? '-' : duration(ms);
}

/** `350 ms`, `12 s`, `4 min`, `7 h`, `3 d`. */
function duration(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd());
}
