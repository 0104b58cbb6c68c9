import type { Logger } from '../lib/logger.js';
import type { FamilyMetadata } from '../remotewrite/encode.js';
import { METRIC_TYPES } from '../remotewrite/series.js';
import type { Metadata } from '../remotewrite/series.js';
import { isRecord } from './json.js';
import type { Source } from './source.js';

/**
 * Type, help and unit of the source's metrics, asked for now and then. They belong to names, not to tenants; only those of series that
 * are exported leave.
 */

const REFRESH_MS = 5 * 60_000;
const RETRY_MS = 30_000;
/** What a family's series have behind its name. */
const SUFFIX = /_(?:bucket|count|sum|total|created|info|gcount|gsum)$/;

export class MetadataTable {
  private byName: ReadonlyMap<string, Metadata> = new Map();
  private nextMs = -Infinity;
  /** Another one after each change. */
  version = 0;

  constructor(
    private readonly source: Pick<Source, 'json'>,
    private readonly logger: Logger,
  ) {}

  of(name: string): Metadata | undefined {
    return this.byName.get(name) ?? this.byName.get(name.replace(SUFFIX, ''));
  }

  /** Of the families that these series belong to. */
  familiesOf(names: Iterable<string>): readonly FamilyMetadata[] {
    const families = new Map<string, FamilyMetadata>();
    for (const name of names) {
      const family = this.byName.has(name) ? name : name.replace(SUFFIX, '');
      const metadata = this.byName.get(family);
      if (metadata !== undefined) families.set(family, { family, ...metadata });
    }
    return [...families.values()];
  }

  /** Where it is time. An export goes on without. */
  async refresh(nowMs: number, signal: AbortSignal): Promise<void> {
    if (nowMs < this.nextMs) return;
    try {
      this.byName = metadataOf(await this.source.json('/api/v1/metadata', undefined, signal));
      this.version += 1;
      this.nextMs = nowMs + REFRESH_MS;
    } catch (error) {
      this.nextMs = nowMs + RETRY_MS;
      this.logger.info({ err: error }, 'the backend does not tell metadata');
    }
  }
}

function metadataOf(data: unknown): ReadonlyMap<string, Metadata> {
  const found = new Map<string, Metadata>();
  for (const [name, entries] of Object.entries(isRecord(data) ? data : {})) {
    const [first]: readonly unknown[] = Array.isArray(entries) ? entries : [];
    if (!isRecord(first)) continue;
    const type = METRIC_TYPES.find((each) => each === first['type']) ?? 'unspecified';
    found.set(name, { type, help: textOf(first['help']), unit: textOf(first['unit']) });
  }
  return found;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
