/**
 * The series of a sample line, `name{label="value"}` or `{"name", "label"="value"}`, of the text format and OpenMetrics alike. What
 * cannot be read is left as it is: Prometheus will say what is wrong with it.
 */
import { isLabelName } from '../../model/names.js';

const SPACE = 0x20;
const TAB = 0x09;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Where the series in `line[from, to)` ends; -1 where it does not. */
export function seriesEnd(bytes: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== OPEN && bytes[at] !== SPACE && bytes[at] !== TAB) at += 1;
  if (at === to) return -1;
  const nameEnd = at;
  while (at < to && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  // spaces may stand between the name and its labels
  if (bytes[at] !== OPEN || at === to) return nameEnd;
  let quoted = false;
  for (at += 1; at < to; at += 1) {
    const byte = bytes[at];
    if (quoted && byte === BACKSLASH) at += 1;
    else if (byte === QUOTE) quoted = !quoted;
    else if (byte === CLOSE && !quoted) return at + 1;
  }
  return -1;
}

const NAME = /^([^\s{}",=]+)[ \t]*(?:\{|$)/;
/** One label, or the metric's name in quotes, with the comma behind it. */
const ENTRY = /[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s{}",=]+))[ \t]*(?:=[ \t]*"((?:[^"\\]|\\.)*)")?[ \t]*(,|\})/sy;

/** The labels with `__name__`, by name; undefined where the text is not of the form. */
export function parseSeries(series: string): Map<string, string> | undefined {
  const labels = new Map<string, string>();
  const name = NAME.exec(series);
  if (name?.[1] !== undefined) labels.set('__name__', name[1]);
  const open = series.indexOf('{');
  if (open === -1) return labels;
  if (name === null && series.slice(0, open).trim() !== '') return undefined;
  let at = open + 1;
  while (!/^[ \t]*\}$/.test(series.slice(at, at + 64))) {
    ENTRY.lastIndex = at;
    const entry = ENTRY.exec(series);
    if (entry === null) return undefined;
    const [whole, quotedName, plainName, value, end] = entry;
    const label = quotedName === undefined ? (plainName ?? '') : unescape(quotedName);
    // a quoted text without a value is the metric's name
    if (value === undefined && (quotedName === undefined || labels.has('__name__'))) return undefined;
    if (value === undefined) labels.set('__name__', label);
    else if (labels.has(label)) return undefined;
    else labels.set(label, unescape(value));
    at += whole.length;
    if (end === '}') return at === series.length ? sorted(labels) : undefined;
  }
  return sorted(labels);
}

/** The order in which rules see them. An empty label is none. */
function sorted(labels: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...labels].filter(([, value]) => value !== '').toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_:]*$/;

export function formatSeries(labels: ReadonlyMap<string, string>): string {
  const name = labels.get('__name__') ?? '';
  const pairs = [...labels].filter(([label]) => label !== '__name__').map(([label, value]) => `${isLabelName(label) ? label : `"${escape(label)}"`}="${escape(value)}"`);
  if (METRIC_NAME.test(name)) return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
  return `{${[...(name === '' ? [] : [`"${escape(name)}"`]), ...pairs].join(',')}}`;
}

function unescape(text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\n])/g, (_, letter: string) => (letter === 'n' ? '\n' : letter)) : text;
}

function escape(text: string): string {
  return text.replace(/[\\"\n]/g, (letter) => (letter === '\n' ? '\\n' : `\\${letter}`));
}
