import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { DELIMITED, FieldCursor, FieldWriter } from '../lib/wire.js';
import { Tally } from './enforced.js';
import type { Enforced } from './enforced.js';
import { placeTenant } from './tenant-label.js';
import type { Span, TenantLabel } from './tenant-label.js';

/**
 * A prometheus.WriteRequest with the tenant's label on each series. Labels are written anew, as they were understood, so that nobody
 * behind us can understand them differently; samples, exemplars, histograms and metadata are passed on as the bytes that came; fields
 * that the protocol does not have are left out.
 */
export function enforceVersion1(bytes: Buffer, tenant: TenantLabel): Result<Enforced, string> {
  const walk = new Version1(bytes, tenant);
  return walk.request() ? ok(walk.tally.with(walk.writer.finish())) : err('not a WriteRequest');
}

const REQUEST = { timeseries: 1, metadata: 3 } as const;
const SERIES = { labels: 1, samples: 2, exemplars: 3, histograms: 4 } as const;

class Version1 {
  readonly writer: FieldWriter;
  readonly tally = new Tally();
  private readonly request_: FieldCursor;
  private readonly series_: FieldCursor;
  private readonly label_: FieldCursor;
  /** Of the series at hand: names and values in turn; and whatever else it has. */
  private labels: Span[] = [];
  private others: Span[] = [];
  private counts = { samples: 0, exemplars: 0, histograms: 0 };

  constructor(
    private readonly bytes: Buffer,
    private readonly tenant: TenantLabel,
  ) {
    this.writer = new FieldWriter(bytes.length + Math.ceil(bytes.length / 8));
    this.request_ = new FieldCursor(bytes).enter(0, bytes.length);
    this.series_ = new FieldCursor(bytes);
    this.label_ = new FieldCursor(bytes);
  }

  request(): boolean {
    const fields = this.request_;
    while (fields.next()) {
      if (fields.field === REQUEST.timeseries) {
        if (fields.wireType !== DELIMITED || !this.readSeries(fields.start, fields.end)) return false;
        this.writeSeries();
      } else if (fields.field === REQUEST.metadata) {
        this.tally.metadata += 1;
        this.writer.raw(this.bytes, fields.tagStart, fields.end);
      }
    }
    return !fields.failed;
  }

  private readSeries(start: number, end: number): boolean {
    this.labels = [];
    this.others = [];
    this.counts = { samples: 0, exemplars: 0, histograms: 0 };
    const fields = this.series_.enter(start, end);
    while (fields.next()) {
      const { field } = fields;
      if (field > SERIES.histograms) continue;
      if (fields.wireType !== DELIMITED) return false;
      if (field === SERIES.labels) {
        if (!this.readLabel(fields.start, fields.end)) return false;
        continue;
      }
      this.others.push({ start: fields.tagStart, end: fields.end });
      if (field === SERIES.samples) this.counts.samples += 1;
      else if (field === SERIES.exemplars) this.counts.exemplars += 1;
      else this.counts.histograms += 1;
    }
    return !fields.failed;
  }

  /** As protobuf has it, the last name and the last value count. */
  private readLabel(start: number, end: number): boolean {
    let name: Span = { start, end: start };
    let value: Span = name;
    const fields = this.label_.enter(start, end);
    while (fields.next()) {
      if (fields.field > 2) continue;
      if (fields.wireType !== DELIMITED) return false;
      const span = { start: fields.start, end: fields.end };
      if (fields.field === 1) name = span;
      else value = span;
    }
    this.labels.push(name, value);
    return !fields.failed;
  }

  private writeSeries(): void {
    const { bytes, writer, tally, tenant, labels, others, counts } = this;
    const placement = placeTenant(bytes, labels, tenant);
    if (placement.kind === 'refused') {
      tally.refuse(placement.why);
      return;
    }
    const { kind, at } = placement;
    writer.nested(REQUEST.timeseries, () => {
      this.writeLabels(0, kind === 'keep' ? labels.length : at);
      if (kind !== 'keep') {
        this.writeTenant();
        this.writeLabels(kind === 'replace' ? at + 2 : at, labels.length);
      }
      for (const { start, end } of others) writer.raw(bytes, start, end);
    });
    tally.series += 1;
    tally.samples += counts.samples;
    tally.exemplars += counts.exemplars;
    tally.histograms += counts.histograms;
  }

  private writeLabels(from: number, to: number): void {
    const { bytes, writer, labels } = this;
    for (let index = from; index < to; index += 2) {
      const name = labels[index];
      const value = labels[index + 1];
      if (name === undefined || value === undefined) return;
      writer.nested(SERIES.labels, () => {
        writer.slice(1, bytes, name.start, name.end);
        writer.slice(2, bytes, value.start, value.end);
      });
    }
  }

  private writeTenant(): void {
    const { writer, tenant } = this;
    writer.nested(SERIES.labels, () => {
      writer.slice(1, tenant.name, 0, tenant.name.length);
      writer.slice(2, tenant.value, 0, tenant.value.length);
    });
  }
}
