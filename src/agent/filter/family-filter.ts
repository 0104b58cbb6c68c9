/**
 * A protobuf exposition on its way through, family by family, whatever the pieces it comes in. A family of which everything stays is the
 * target's own bytes; of another, metrics that stay are. What cannot be read fails the scrape: nothing passes unfiltered.
 */
import { delimitedAt, FieldWriter, MAX_LENGTH_BYTES } from '../../lib/wire.js';
import { readFamily, readMetric } from './exposition.js';
import type { Family } from './exposition.js';
import type { BodyFilter, CompiledFilter, FilterFault } from './metric-filter.js';
import { judgeMetric } from './outcome.js';
import type { Placed } from './outcome.js';

/** It has to be held as a whole, since its length stands before it. */
const MAX_FAMILY_BYTES = 16 * 2 ** 20;

export function createFamilyFilter({ judgeLabels, sampleLimit, readsClassic }: CompiledFilter): BodyFilter {
  let pieces: Buffer[] = [];
  let heldBytes = 0;
  /** Until so many are held there is nothing to do. */
  let neededBytes = 1;
  let samples = 0;
  let dropped = 0;

  /** The family as it goes on; undefined where it cannot be read. */
  const filterFamily = (bytes: Buffer, at: number, start: number, end: number): Buffer | undefined => {
    const family = readFamily(bytes, start, end);
    if (family === undefined) return undefined;
    const output: Placed[] = [];
    let isWhole = true;
    for (const range of family.metrics) {
      const metric = readMetric(bytes, family, range, readsClassic);
      if (metric === undefined) return undefined;
      const outcome = judgeMetric(bytes, family.type, metric, judgeLabels);
      samples += outcome.kept;
      dropped += outcome.dropped;
      if (outcome.metrics === 'keep') {
        output.push({ name: family.name, type: family.type, isAlone: false, write: (writer) => writer.raw(bytes, range.start, range.end) });
      } else {
        isWhole = false;
        output.push(...outcome.metrics);
      }
    }
    return isWhole ? bytes.subarray(at, end) : writeFamilies(bytes, family, output);
  };
  const take = (): Buffer | FilterFault => {
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    const output: Buffer[] = [];
    let at = 0;
    for (neededBytes = 1; at < bytes.length; ) {
      const head = delimitedAt(bytes, at);
      if (head === undefined && bytes.length - at >= MAX_LENGTH_BYTES) return 'target_unfilterable';
      if (head !== undefined && head.length > MAX_FAMILY_BYTES) return 'target_unfilterable';
      neededBytes = head === undefined ? bytes.length - at + 1 : head.start - at + head.length;
      if (head === undefined || neededBytes > bytes.length - at) break;
      const end = at + neededBytes;
      const family = filterFamily(bytes, at, head.start, end);
      if (family === undefined) return 'target_unfilterable';
      if (samples > sampleLimit) return 'target_too_many_samples';
      output.push(family);
      at = end;
      neededBytes = 1;
    }
    pieces = at < bytes.length ? [bytes.subarray(at)] : [];
    heldBytes = bytes.length - at;
    return Buffer.concat(output);
  };
  return {
    push: (chunk) => {
      pieces.push(chunk);
      heldBytes += chunk.length;
      return heldBytes < neededBytes ? Buffer.alloc(0) : take();
    },
    // a family that breaks off is none
    end: () => (heldBytes === 0 ? Buffer.alloc(0) : 'target_unfilterable'),
    droppedSamples: () => dropped,
  };
}

/** One family for each name and type that metrics have now, with the help and unit that they had. */
function writeFamilies(bytes: Buffer, { rest }: Family, metrics: readonly Placed[]): Buffer {
  const families = Map.groupBy(metrics, ({ name, type, isAlone }, index) => (isAlone ? index : `${type} ${name}`));
  const writer = new FieldWriter();
  for (const members of families.values()) {
    const [first] = members;
    const family = new FieldWriter();
    if (first === undefined) continue;
    family.text(1, first.name);
    for (const { tagStart, end } of rest) family.raw(bytes, tagStart, end);
    family.uint(3, first.type);
    for (const { write } of members) family.nested(4, () => write(family));
    const content = family.finish();
    writer.varint(content.length);
    writer.raw(content);
  }
  return writer.finish();
}
