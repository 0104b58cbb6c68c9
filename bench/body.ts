import { hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** What every emulated target answers: an exposition, compressed as exporters do it, the same on every machine. */

export interface Body {
  readonly gzipped: Buffer;
  readonly textBytes: number;
}

export function makeBody(gzipBytes: number): Body {
  if (gzipBytes <= MEMBER_BYTES) return makeMember(gzipBytes);
  // A gzip stream may have many members, and compressing the same one fifty times would take longer than the benchmark.
  const count = Math.ceil(gzipBytes / MEMBER_BYTES);
  const { gzipped, textBytes } = makeMember(MEMBER_BYTES);
  return { gzipped: Buffer.concat(Array.from({ length: count }, () => gzipped)), textBytes: textBytes * count };
}

const MEMBER_BYTES = 1024 * 1024;

function makeMember(gzipBytes: number): Body {
  const lines = ['# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n# TYPE node_cpu_seconds_total counter\n'];
  let seed = 1;
  let wanted = Math.floor(gzipBytes / BYTES_PER_CPU);
  for (;;) {
    for (let cpu = lines.length - 1; cpu <= wanted; cpu += 1) {
      let block = '';
      for (const mode of ['idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user']) {
        seed = (seed * 48_271) % 2_147_483_647;
        block += `node_cpu_seconds_total{cpu="${cpu}",mode="${mode}"} ${seed / 100}\n`;
      }
      lines.push(block);
    }
    const text = lines.join('');
    const gzipped = gzipSync(text);
    if (gzipped.length >= gzipBytes) return { gzipped, textBytes: text.length };
    // By what a line comes to here, and at least one more.
    wanted = Math.max(wanted + 1, Math.floor(wanted * (gzipBytes / gzipped.length)));
  }
}

/** Of gzip, at most: eight lines. */
const BYTES_PER_CPU = 80;

/** Cheap enough to be taken of every body that arrives. */
export function digest(bytes: Buffer): string {
  return hash('sha1', bytes);
}
