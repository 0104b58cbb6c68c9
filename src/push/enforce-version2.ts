import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { DELIMITED, FieldCursor, FieldWriter, readPacked, VARINT } from '../lib/wire.js';
import { Tally } from './enforced.js';
import type { Enforced } from './enforced.js';
import { placeTenant } from './tenant-label.js';
import type { Span, TenantLabel } from './tenant-label.js';

/**
 * An io.prometheus.write.v2.Request with the tenant's label on each series. The table of symbols gets two more at its end, so that
 * every reference keeps its meaning; only the references to labels are written anew. Series refer to symbols that may come after them
 * on the wire, hence two walks.
 */
export function enforceVersion2(bytes: Buffer, tenant: TenantLabel): Result<Enforced, string> {
  const walk = new Version2(bytes, tenant);
  const fault = walk.readRequest() ?? walk.writeRequest();
  return fault === undefined ? ok(walk.tally.with(walk.writer.finish())) : err(fault);
}

const REQUEST = { symbols: 4, timeseries: 5 } as const;
const SERIES = { labelsRefs: 1, samples: 2, histograms: 3, exemplars: 4, metadata: 5 } as const;
const NOT_ONE = 'not a remote write 2.0 request';

class Version2 {
  readonly writer: FieldWriter;
  readonly tally = new Tally();
  private readonly symbols: Span[] = [];
  private readonly allSeries: Span[] = [];
  private readonly fields: FieldCursor;
  /** Of the series at hand. */
  private refs: number[] = [];
  private others: Span[] = [];
  private counts = { samples: 0, exemplars: 0, histograms: 0 };

  constructor(
    private readonly bytes: Buffer,
    private readonly tenant: TenantLabel,
  ) {
    this.writer = new FieldWriter(bytes.length + Math.ceil(bytes.length / 16));
    this.fields = new FieldCursor(bytes);
  }

  /** The fault, if there is one. */
  readRequest(): string | undefined {
    const fields = this.fields.enter(0, this.bytes.length);
    while (fields.next()) {
      const { field, start, end } = fields;
      if (field !== REQUEST.symbols && field !== REQUEST.timeseries) continue;
      if (fields.wireType !== DELIMITED) return NOT_ONE;
      (field === REQUEST.symbols ? this.symbols : this.allSeries).push({ start, end });
    }
    if (fields.failed) return NOT_ONE;
    const [first] = this.symbols;
    return first !== undefined && first.start === first.end ? undefined : 'the first symbol must be there and empty';
  }

  writeRequest(): string | undefined {
    const { bytes, writer, tenant } = this;
    for (const { start, end } of this.symbols) writer.slice(REQUEST.symbols, bytes, start, end);
    writer.slice(REQUEST.symbols, tenant.name, 0, tenant.name.length);
    writer.slice(REQUEST.symbols, tenant.value, 0, tenant.value.length);
    for (const { start, end } of this.allSeries) {
      if (!this.readSeries(start, end)) return NOT_ONE;
      this.writeSeries();
    }
    return undefined;
  }

  private readSeries(start: number, end: number): boolean {
    this.refs = [];
    this.others = [];
    this.counts = { samples: 0, exemplars: 0, histograms: 0 };
    const fields = this.fields.enter(start, end);
    while (fields.next()) {
      const { field } = fields;
      if (field === SERIES.labelsRefs) {
        if (!this.readRefs()) return false;
        continue;
      }
      if (field > SERIES.metadata) continue;
      if (fields.wireType !== DELIMITED) return false;
      this.others.push({ start: fields.tagStart, end: fields.end });
      if (field === SERIES.samples) this.counts.samples += 1;
      else if (field === SERIES.exemplars) this.counts.exemplars += 1;
      else if (field === SERIES.histograms) this.counts.histograms += 1;
    }
    return !fields.failed;
  }

  /** Packed, or one by one: a parser takes both, also mixed. */
  private readRefs(): boolean {
    const { fields, refs } = this;
    if (fields.wireType === DELIMITED) return readPacked(this.bytes, fields.start, fields.end, refs);
    if (fields.wireType !== VARINT) return false;
    refs.push(fields.number());
    return true;
  }

  private writeSeries(): void {
    const { bytes, writer, tally, tenant, symbols, refs, others, counts } = this;
    const labels: Span[] = [];
    for (const ref of refs) {
      const symbol = symbols[ref];
      if (symbol === undefined) {
        tally.refuse('a reference to a symbol that is not there');
        return;
      }
      labels.push(symbol);
    }
    const placement = placeTenant(bytes, labels, tenant);
    if (placement.kind === 'refused') {
      tally.refuse(placement.why);
      return;
    }
    if (placement.kind !== 'keep') refs.splice(placement.at, placement.kind === 'replace' ? 2 : 0, symbols.length, symbols.length + 1);
    writer.nested(REQUEST.timeseries, () => {
      writer.nested(SERIES.labelsRefs, () => {
        for (const ref of refs) writer.varint(ref);
      });
      for (const { start, end } of others) writer.raw(bytes, start, end);
    });
    tally.series += 1;
    tally.samples += counts.samples;
    tally.exemplars += counts.exemplars;
    tally.histograms += counts.histograms;
  }
}
