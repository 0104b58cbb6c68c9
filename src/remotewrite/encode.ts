import { writeHistogram, writeSample, writeValue } from './histogram.js';
import { METRIC_TYPES, sortLabels } from './series.js';
import type { Label, Metadata, Series } from './series.js';
import type { Version } from './protocol.js';
import { FieldWriter } from '../lib/wire.js';

/**
 * Series as a request of either version, not yet packed. One pass each: version 2's table of symbols is collected while the series
 * are written, and put before them at the end (where a reader that works in one pass needs it).
 */

/** One family's metadata, for version 1. */
export interface FamilyMetadata extends Metadata {
  readonly family: string;
}

/** Serialises a request with these series. */
export function encodeSeries(version: Version, series: readonly Series[]): Buffer {
  return version === '1' ? encodeVersion1(series) : encodeVersion2(series);
}

function encodeVersion1(all: readonly Series[]): Buffer {
  const writer = new FieldWriter();
  for (const series of all) {
    writer.nested(1, () => {
      writeLabels(writer, sortLabels(series.labels));
      writePoints(writer, series);
    });
  }
  return writer.finish();
}

/** The labels of a series of version 1, in the order given. */
export function writeLabels(writer: FieldWriter, labels: readonly Label[]): void {
  for (const label of labels) writeLabel(writer, label);
}

/** All of a series of version 1 but its labels. */
export function writePoints(writer: FieldWriter, { samples, exemplars, histograms }: Omit<Series, 'labels'>): void {
  for (const sample of samples) writer.nested(2, () => writeSample(writer, sample));
  for (const exemplar of exemplars) {
    writer.nested(3, () => {
      writeLabels(writer, exemplar.labels);
      writeValue(writer, 2, exemplar.value);
      if (exemplar.timestampMs !== 0) writer.int(3, exemplar.timestampMs);
    });
  }
  for (const histogram of histograms) writer.nested(4, () => writeHistogram(writer, histogram));
}

function writeLabel(writer: FieldWriter, { name, value }: Label): void {
  writer.nested(1, () => {
    writer.text(1, name);
    writer.text(2, value);
  });
}

/** Serialises a request of version 1 that has metadata only: outside the specification, and what Prometheus does. */
export function encodeMetadata(families: readonly FamilyMetadata[]): Buffer {
  const writer = new FieldWriter();
  for (const { family, type, help, unit } of families) {
    writer.nested(3, () => {
      writer.uint(1, METRIC_TYPES.indexOf(type));
      writer.text(2, family);
      if (help !== '') writer.text(4, help);
      if (unit !== '') writer.text(5, unit);
    });
  }
  return writer.finish();
}

/** Strings by number; number 0 is the empty one. */
class Symbols {
  private readonly numbers = new Map<string, number>([['', 0]]);

  numberOf(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    const number = this.numbers.size;
    this.numbers.set(text, number);
    return number;
  }

  writeTo(writer: FieldWriter): void {
    for (const text of this.numbers.keys()) writer.text(4, text);
  }
}

function encodeVersion2(all: readonly Series[]): Buffer {
  const symbols = new Symbols();
  const body = new FieldWriter();
  const writeRefs = (labels: readonly Label[]): void => {
    body.nested(1, () => {
      for (const { name, value } of labels) {
        body.varint(symbols.numberOf(name));
        body.varint(symbols.numberOf(value));
      }
    });
  };
  for (const series of all) {
    body.nested(5, () => {
      writeRefs(sortLabels(series.labels));
      for (const sample of series.samples) body.nested(2, () => writeSample(body, sample));
      for (const histogram of series.histograms) body.nested(3, () => writeHistogram(body, histogram));
      for (const exemplar of series.exemplars) {
        body.nested(4, () => {
          if (exemplar.labels.length > 0) writeRefs(exemplar.labels);
          writeValue(body, 2, exemplar.value);
          if (exemplar.timestampMs !== 0) body.int(3, exemplar.timestampMs);
        });
      }
      const { metadata } = series;
      if (metadata !== undefined) body.nested(5, () => writeMetadata(body, symbols, metadata));
    });
  }
  const head = new FieldWriter(body.length + 4096);
  symbols.writeTo(head);
  head.raw(body.finish());
  return head.finish();
}

function writeMetadata(writer: FieldWriter, symbols: Symbols, { type, help, unit }: Metadata): void {
  writer.uint(1, METRIC_TYPES.indexOf(type));
  if (help !== '') writer.uint(3, symbols.numberOf(help));
  if (unit !== '') writer.uint(4, symbols.numberOf(unit));
}
