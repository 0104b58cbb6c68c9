import { METRIC_NAME_LABEL } from '../promql/ast.js';
import type { Label } from '../remotewrite/series.js';
import type { ExportJob } from './job.js';
import type { Positions } from './positions.js';

/** What an export has collected last, as `/collected-metrics` shows it (facts/metricaccess.md §5): a heading, then exposition lines. */

const MAX_LINES = 50_000;

export function viewOfPositions({ tenant, spec }: ExportJob, positions: Positions): string {
  const lines: string[] = [];
  for (let number = 0; number < positions.size && lines.length < MAX_LINES; number += 1) {
    const value = positions.isLive(number) ? positions.value(number) : undefined;
    if (value !== undefined) lines.push(`${seriesText(positions.labelsOf(number))} ${valueText(value)} ${positions.lastMs(number)}\n`);
  }
  return `# Job: ${tenant}/${spec.name} (${positions.live} metrics)\n${lines.join('')}`;
}

/** `name{label="value"}`, in the text format. */
export function seriesText(labels: readonly Label[]): string {
  const name = labels.find((label) => label.name === METRIC_NAME_LABEL)?.value ?? '';
  const others = labels.filter((label) => label.name !== METRIC_NAME_LABEL).map((label) => `${label.name}="${escaped(label.value)}"`);
  return others.length === 0 ? name : `${name}{${others.join(',')}}`;
}

export function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
