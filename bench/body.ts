import { hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

/** What every emulated target answers: an exposition, compressed as exporters do it, the same on every machine. */

export interface Body {
  readonly gzipped: Buffer;
  readonly textBytes: number;
}

export function makeBody(gzipBytes: number): Body {
  let text = '# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n# TYPE node_cpu_seconds_total counter\n';
  let seed = 1;
  for (let cpu = 0; ; cpu += 1) {
    for (const mode of ['idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user']) {
      seed = (seed * 48_271) % 2_147_483_647;
      text += `node_cpu_seconds_total{cpu="${cpu}",mode="${mode}"} ${seed / 100}\n`;
    }
    const gzipped = gzipSync(text);
    if (gzipped.length >= gzipBytes) return { gzipped, textBytes: text.length };
  }
}

/** Cheap enough to be taken of every body that arrives. */
export function digest(bytes: Buffer): string {
  return hash('sha1', bytes);
}
