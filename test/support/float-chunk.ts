/** A chunk of floats as Prometheus's storage writes it (Gorilla), for tests of its reader: times in ms, values by their bits. */

class BitWriter {
  private readonly bits: number[] = [];

  add(value: bigint, count: number): void {
    for (let bit = count - 1; bit >= 0; bit -= 1) this.bits.push(Number((value >> BigInt(bit)) & 1n));
  }

  uvarint(value: bigint): void {
    let rest = value;
    for (; rest >= 128n; rest >>= 7n) this.add((rest & 127n) | 128n, 8);
    this.add(rest, 8);
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(Math.ceil(this.bits.length / 8));
    for (const [index, bit] of this.bits.entries()) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (bit << (7 - (index & 7)));
    return bytes;
  }
}

const TIMES = [[14, 0b10n, 2], [17, 0b110n, 3], [20, 0b1110n, 4], [64, 0b1111n, 4]] as const;

export function floatChunk(samples: readonly (readonly [timestampMs: number, bits: bigint])[]): Buffer {
  const out = new BitWriter();
  out.add(BigInt(samples.length), 16);
  let [time, distance, value, leading, trailing] = [0n, 0n, 0n, -1, 0];
  for (const [index, [timestampMs, bits]] of samples.entries()) {
    const next = BigInt(timestampMs);
    if (index === 0) {
      out.uvarint(next >= 0n ? next * 2n : -next * 2n - 1n);
      out.add(bits, 64);
    } else {
      if (index === 1) out.uvarint(next - time);
      else writeChange(out, next - time - distance);
      distance = next - time;
      const change = bits ^ value;
      out.add(change === 0n ? 0n : 1n, 1);
      if (change !== 0n) {
        const text = change.toString(2).padStart(64, '0');
        const [zeros, ends] = [Math.min(text.indexOf('1'), 31), 63 - text.lastIndexOf('1')];
        const isSame = leading >= 0 && zeros >= leading && ends >= trailing;
        out.add(isSame ? 0n : 1n, 1);
        if (!isSame) {
          [leading, trailing] = [zeros, ends];
          out.add(BigInt(leading), 5);
          out.add(BigInt((64 - leading - trailing) % 64), 6);
        }
        out.add(change >> BigInt(trailing), 64 - leading - trailing);
      }
    }
    [time, value] = [next, bits];
  }
  return out.bytes();
}

function writeChange(out: BitWriter, change: bigint): void {
  if (change === 0n) return out.add(0n, 1);
  for (const [count, prefix, ones] of TIMES) {
    const half = 1n << BigInt(count - 1);
    if (count < 64 && (change > half || change < -half + 1n)) continue;
    out.add(prefix, ones);
    return out.add(BigInt.asUintN(count, change), count);
  }
}
