/**
 * An exposition on its way through, line by line, whatever the pieces it comes in. Lines that stay are the target's own bytes. The
 * HELP and TYPE lines of a metric wait for its first sample that stays, and go if all of them go.
 */
import type { BodyFilter, CompiledFilter, FilterFault } from './metric-filter.js';
import { seriesEnd } from './series.js';

const LINE_END = 0x0a;
const HASH = 0x23;
const SPACE = 0x20;
const TAB = 0x09;
/** No exposition has such lines. */
const MAX_LINE_BYTES = 2 ** 20;
const MAX_WAITING_BYTES = 64 * 1024;

export function createLineFilter({ judge, sampleLimit }: CompiledFilter): BodyFilter {
  let rest: Buffer = Buffer.alloc(0);
  let output: Buffer[] = [];
  /** HELP, TYPE and UNIT lines, and other comments, that wait for a sample. */
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  /** A sample after the waiting lines was dropped. */
  let droppedOne = false;
  let samples = 0;
  let dropped = 0;

  const release = (): void => {
    if (waiting.length > 0) output.push(...waiting);
    waiting = [];
    waitingBytes = 0;
    droppedOne = false;
  };
  const comment = (line: Buffer): void => {
    if (droppedOne) waiting = [];
    droppedOne = false;
    waiting.push(line);
    waitingBytes += line.length;
    if (waitingBytes > MAX_WAITING_BYTES || line.subarray(0, 5).toString('latin1') === '# EOF') release();
  };
  const sample = (line: Buffer, from: number): void => {
    const end = seriesEnd(line, from, line.length);
    const verdict = end === -1 ? 'keep' : judge(line.toString('latin1', from, end));
    if (verdict === 'drop') {
      dropped += 1;
      droppedOne = true;
      return;
    }
    samples += 1;
    if (waiting.length > 0) release();
    if (verdict === 'keep') output.push(line);
    else output.push(line.subarray(0, from), verdict, line.subarray(end));
  };
  const take = (line: Buffer): void => {
    let from = 0;
    while (line[from] === SPACE || line[from] === TAB) from += 1;
    if (line[from] === HASH) comment(line);
    else if (from >= line.length || line[from] === LINE_END) output.push(line);
    else sample(line, from);
  };
  const flush = (): Buffer | FilterFault => {
    if (samples > sampleLimit) return 'target_too_many_samples';
    const result = Buffer.concat(output);
    output = [];
    return result;
  };
  return {
    push: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let end = bytes.indexOf(LINE_END); end !== -1; end = bytes.indexOf(LINE_END, from)) {
        take(bytes.subarray(from, end + 1));
        from = end + 1;
      }
      rest = bytes.subarray(from);
      return rest.length > MAX_LINE_BYTES ? 'target_unfilterable' : flush();
    },
    end: () => {
      if (rest.length > 0) take(rest);
      if (!droppedOne) release();
      return flush();
    },
    droppedSamples: () => dropped,
  };
}
