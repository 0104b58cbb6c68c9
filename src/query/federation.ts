import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup } from '../model/desired-state.js';
import type { UpstreamRequest } from './endpoint.js';
import { gather, reading } from './gather.js';
import type { GroupAsking, Reader } from './gather.js';
import { compare } from './label-order.js';
import { readAll } from './reading.js';
import { EXPOSITION_TYPE, refuse } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';

/** Federation from a group: the members' expositions as one, family by family; what several of them have is there once, as the first says it. */

/** `series value timestamp`; a series may have spaces in it. */
const SAMPLE = /^(.+) \S+ -?\d+$/;

/** By what is written of the whole family, its type. */
type Families = Map<string, Map<string, string>>;

/** Rejects as `gather` does. */
export async function askFederation(request: UpstreamRequest, group: BackendGroup, asking: Omit<GroupAsking, 'budget'>): Promise<Result<Reply, Reply | Refusal>> {
  const gathered = await gather(request, group, { ...asking, budget: { bytes: asking.limits.maxResponseBytes } }, reading(readExposition));
  if (!gathered.ok) return gathered;
  const families: Families = new Map();
  for (const text of gathered.value.data) {
    const twice = addFamilies(families, text);
    if (twice && group.disjointBy.length > 0) return refuse('query_not_distributable', 'two backends of the group have the same series');
  }
  const lines = [...families].sort(([a], [b]) => compare(a, b)).flatMap(([head, samples]) => [...(head === '' ? [] : [head]), ...samples.values()]);
  // A comment, since an exposition has no other place for it.
  const notes = gathered.value.warnings.map((text) => `# ${text}`);
  return ok({ status: 200, headers: { 'content-type': EXPOSITION_TYPE }, body: [...notes, ...lines].map((line) => `${line}\n`).join('') });
}

const readExposition: Reader<string> = async (answer, maxBytes) => {
  if (!answer.contentType.startsWith('text/plain')) {
    answer.body.destroy();
    throw new Error(`not an exposition: ${answer.contentType}`);
  }
  const text = await readAll(answer.body, maxBytes);
  return { said: { data: text, warnings: [], infos: [] }, bytes: Buffer.byteLength(text) };
};

/** Was a series there already? */
function addFamilies(families: Families, text: string): boolean {
  const before = new Map([...families].map(([head, samples]) => [head, new Set(samples.keys())]));
  let twice = false;
  let head = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('#')) {
      head = line;
      continue;
    }
    const series = SAMPLE.exec(line)?.[1];
    if (series === undefined) throw new Error('not an exposition: a line that is no sample');
    if (before.get(head)?.has(series) === true) twice = true;
    else families.set(head, (families.get(head) ?? new Map<string, string>()).set(series, line));
  }
  return twice;
}
