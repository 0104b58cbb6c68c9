import { longerUints } from '../lib/typed-arrays.js';
import { FieldWriter } from '../lib/wire.js';
import { writeValue } from '../remotewrite/histogram.js';
import { METRIC_TYPES } from '../remotewrite/series.js';
import type { Exemplar } from '../remotewrite/series.js';
import type { MetadataTable } from './metadata.js';
import type { Positions } from './positions.js';

/**
 * Requests of remote write 2.0, which is how batches are kept and, to most receivers, sent. A request is put together from what is bytes
 * and numbers already: points as they were written, labels as numbers of texts, of which each request has a table of its own.
 */

/** Field numbers of Request and TimeSeries (facts/remote-write.md §1). */
export const FIELDS = { symbols: 4, series: 5, refs: 1, samples: 2, histograms: 3, exemplars: 4, metadata: 5 } as const;

/** What goes into one request: series by their positions, the fields of their points one behind the other. */
export interface Content {
  readonly count: number;
  readonly positions: Uint32Array;
  /** Where the points of each end. */
  readonly ends: Uint32Array;
  readonly points: Buffer;
  /** By index of the series. */
  readonly exemplars: ReadonlyMap<number, readonly Exemplar[]>;
}

interface MetadataRefs {
  readonly type: number;
  readonly help: number;
  readonly unit: number;
}

export class RequestWriter {
  /** By symbol of the positions: its number in this request, if its stamp is that of this request. */
  private numbers = new Uint32Array(1024);
  private stamps = new Uint32Array(1024);
  private stamp = 0;
  private used = 0;
  /** Texts of exemplars: they are seen once, and the positions need not keep them. */
  private readonly others = new Map<string, number>();
  private readonly table = new FieldWriter(64 * 1024);
  private readonly body = new FieldWriter(64 * 1024);
  /** By symbol of the name; good for one table of symbols and one of metadata. */
  private readonly metadataOfNames = new Map<number, MetadataRefs | undefined>();
  private basis: readonly unknown[] = [];

  constructor(
    private readonly positions: Positions,
    private readonly metadata: MetadataTable,
  ) {}

  /** Not yet packed; good until the next one. */
  write(content: Content): Buffer {
    this.begin();
    const { body, table } = this;
    const { count, positions, ends, points, exemplars } = content;
    let start = 0;
    for (let index = 0; index < count; index += 1) {
      const end = ends[index] ?? start;
      const series = body.open(FIELDS.series);
      this.writeSeries(positions[index] ?? 0, points, start, end, exemplars.size === 0 ? undefined : exemplars.get(index));
      body.close(series);
      start = end;
    }
    table.raw(body.view(0, body.length));
    return table.view(0, table.length);
  }

  private begin(): void {
    const basis = [this.positions.symbols, this.metadata.version];
    if (basis.some((each, index) => each !== this.basis[index])) this.metadataOfNames.clear();
    this.basis = basis;
    this.stamp += 1;
    this.used = 0;
    this.others.clear();
    this.body.clear();
    this.table.clear();
    this.append(Buffer.alloc(0));
  }

  private writeSeries(position: number, points: Buffer, start: number, end: number, exemplars: readonly Exemplar[] | undefined): void {
    const { body } = this;
    const { positions } = this;
    const metadata = this.metadataOf(positions.nameOf(position));
    const labels = body.open(FIELDS.refs);
    const behind = positions.refsEnd(position);
    for (let at = positions.refsStart(position); at < behind; at += 1) body.varint(this.numberOf(positions.refAt(at)));
    body.close(labels);
    body.raw(points, start, end);
    if (exemplars !== undefined) for (const exemplar of exemplars) body.nested(FIELDS.exemplars, () => this.writeExemplar(exemplar));
    if (metadata !== undefined) this.writeMetadata(metadata);
  }

  private writeMetadata({ type, help, unit }: MetadataRefs): void {
    const { body } = this;
    const { symbols } = this.positions;
    const start = body.open(FIELDS.metadata);
    body.uint(1, type);
    if (symbols.lengthOf(help) > 0) body.uint(3, this.numberOf(help));
    if (symbols.lengthOf(unit) > 0) body.uint(4, this.numberOf(unit));
    body.close(start);
  }

  private writeExemplar({ labels, value, timestampMs }: Exemplar): void {
    const { body } = this;
    if (labels.length > 0) {
      body.nested(FIELDS.refs, () => {
        for (const label of labels) for (const text of [label.name, label.value]) body.varint(this.numberOfText(text));
      });
    }
    writeValue(body, 2, value);
    if (timestampMs !== 0) body.int(3, timestampMs);
  }

  /** Of the texts of this request. */
  private numberOf(symbol: number): number {
    if (symbol >= this.stamps.length) {
      this.stamps = longerUints(this.stamps, symbol + 1);
      this.numbers = longerUints(this.numbers, this.stamps.length);
    }
    if (this.stamps[symbol] === this.stamp) return this.numbers[symbol] ?? 0;
    const { symbols } = this.positions;
    const start = symbols.startOf(symbol);
    const length = symbols.lengthOf(symbol);
    const number = length === 0 ? 0 : this.append(symbols.memory, start, start + length);
    this.stamps[symbol] = this.stamp;
    this.numbers[symbol] = number;
    return number;
  }

  private numberOfText(text: string): number {
    const bytes = Buffer.from(text);
    const symbol = this.positions.symbols.find(bytes);
    if (symbol !== undefined) return this.numberOf(symbol);
    const number = this.others.get(text) ?? this.append(bytes);
    this.others.set(text, number);
    return number;
  }

  private append(text: Buffer, start = 0, end = text.length): number {
    this.table.slice(FIELDS.symbols, text, start, end);
    this.used += 1;
    return this.used - 1;
  }

  private metadataOf(name: number | undefined): MetadataRefs | undefined {
    if (name === undefined) return undefined;
    if (this.metadataOfNames.has(name)) return this.metadataOfNames.get(name);
    const { symbols } = this.positions;
    const found = this.metadata.of(symbols.get(name).toString('utf8'));
    const refs = found && { type: METRIC_TYPES.indexOf(found.type), help: symbols.add(Buffer.from(found.help)), unit: symbols.add(Buffer.from(found.unit)) };
    this.metadataOfNames.set(name, refs);
    return refs;
  }
}
