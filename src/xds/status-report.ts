/**
 * The control plane's status as plain JSON: each connected Envoy, how far it is with each type and since when, and for each
 * resource that it does not have as wanted the difference, and the words with which it refused. What `scrapeway xds status` and
 * the status page show.
 */
import type { JsonValue } from '@bufbuild/protobuf';
import type { DesiredState } from '../model/desired-state.js';
import { blamed, quotedFields } from './blame.js';
import type { Connection, ConnectionStatus } from './connection.js';
import { differences } from './difference.js';
import type { Difference } from './difference.js';
import { readable } from './readable.js';
import { resourceType } from './resource-types.js';
import type { Kind } from './resource-types.js';
import { originOf } from './resources/origins.js';
import type { Snapshot } from './snapshot.js';
import type { DifferingResource, TypeStatus } from './stream-status.js';

export interface XdsStatusReport {
  /** Version of the published snapshot; null before the first. */
  readonly version: string | null;
  readonly envoys: readonly EnvoyReport[];
}

export interface EnvoyReport extends Pick<ConnectionStatus, 'node' | 'variant' | 'service'> {
  readonly connectedForMs: number;
  readonly types: readonly TypeReport[];
}

export interface TypeReport extends Pick<TypeStatus, 'typeUrl' | 'wanted' | 'current'> {
  /** A type that is not served has none. */
  readonly kind: Kind | null;
  readonly sent: string | null;
  readonly acked: string | null;
  readonly ackedForMs: number | null;
  readonly unansweredForMs: number | null;
  /** The first of them, by name. */
  readonly differing: readonly ResourceReport[];
  /** How many there are. */
  readonly differingCount: number;
}

export interface ResourceReport extends Pick<DifferingResource, 'name' | 'state'> {
  readonly wanted: string | null;
  /** The last good one, which Envoy still uses; null = none. */
  readonly acked: string | null;
  readonly refused: RefusalReport | null;
  /** From the last good one to what is wanted; null where the last good one is only known by its version. */
  readonly difference: readonly DifferenceReport[] | null;
}

/** As in `Difference`, null where there is nothing. */
export interface DifferenceReport {
  readonly path: string;
  readonly before: JsonValue;
  readonly after: JsonValue;
}

export interface RefusalReport {
  readonly forMs: number;
  readonly code: number;
  /** Envoy's own. */
  readonly words: string;
  /** Whether they name this resource; the others of the same response were most likely applied. */
  readonly named: boolean;
  /** Fields that they may be about: of the resource, and of the desired state. */
  readonly resourceFields: readonly string[];
  readonly ourFields: readonly string[];
}

const MAX_RESOURCES = 20;
const MAX_DIFFERENCES = 50;

export interface ReportInput {
  readonly snapshot: Snapshot | undefined;
  /** What the snapshot was made of, where it was made of one. */
  readonly state: DesiredState | undefined;
  readonly connections: Iterable<Connection>;
  readonly nowMs: number;
}

export function statusReport({ snapshot, state, connections, nowMs }: ReportInput): XdsStatusReport {
  return { version: snapshot?.version ?? null, envoys: [...connections].map((connection) => envoyReport(connection, state, nowMs)) };
}

function envoyReport(connection: Connection, state: DesiredState | undefined, nowMs: number): EnvoyReport {
  const { node, variant, service, connectedMs, types } = connection.status();
  const differing = Map.groupBy(connection.differing(), ({ typeUrl }) => typeUrl);
  return {
    node,
    variant,
    service,
    connectedForMs: connectedMs,
    types: types.map((type) => {
      const all = differing.get(type.typeUrl) ?? [];
      return {
        typeUrl: type.typeUrl,
        kind: resourceType(type.typeUrl)?.kind ?? null,
        wanted: type.wanted,
        sent: type.sent ?? null,
        acked: type.acked ?? null,
        current: type.current,
        ackedForMs: age(type.ackedAtMs, nowMs),
        unansweredForMs: age(type.unansweredSinceMs, nowMs),
        differing: all
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .slice(0, MAX_RESOURCES)
          .map((resource) => resourceReport(resource, type, state, nowMs)),
        differingCount: all.length,
      };
    }),
  };
}

function resourceReport(resource: DifferingResource, { rejected }: TypeStatus, state: DesiredState | undefined, nowMs: number): ResourceReport {
  const { typeUrl, name, wanted, acked } = resource;
  const type = resourceType(typeUrl);
  const read = (bytes: Uint8Array | undefined): JsonValue | undefined => (bytes === undefined || type === undefined ? undefined : readable(type.schema, bytes));
  const after = read(wanted?.bytes);
  const rejection = rejected.find((each) => each.name === name);
  const onlyItsVersion = acked !== undefined && acked.bytes === undefined;
  return {
    name,
    state: resource.state,
    wanted: wanted?.version ?? null,
    acked: acked?.version ?? null,
    refused:
      rejection === undefined
        ? null
        : {
            forMs: Math.round(nowMs - rejection.rejection.atMs),
            code: rejection.rejection.code,
            words: rejection.rejection.message,
            named: rejection.named,
            resourceFields: after === undefined ? [] : blamed(rejection.rejection.message, after, name),
            ourFields: ourFields(rejection.rejection.message, state, type?.kind, name),
          },
    difference: onlyItsVersion ? null : differences(read(acked?.bytes), after).slice(0, MAX_DIFFERENCES).map(asReport),
  };
}

/** The values of ours that the words quote; else the place that the resource comes from. */
function ourFields(words: string, state: DesiredState | undefined, kind: Kind | undefined, name: string): readonly string[] {
  if (state === undefined || kind === undefined) return [];
  const plain: JsonValue = JSON.parse(JSON.stringify(state));
  const origin = originOf(kind, name);
  const quoted = quotedFields(words, plain, name);
  const within = quoted.filter((path) => origin !== undefined && path.startsWith(origin));
  if (within.length > 0) return within;
  if (quoted.length > 0) return quoted;
  return origin === undefined ? [] : [origin];
}

function asReport({ path, before, after }: Difference): DifferenceReport {
  return { path, before: before ?? null, after: after ?? null };
}

function age(sinceMs: number | undefined, nowMs: number): number | null {
  return sinceMs === undefined ? null : Math.round(nowMs - sinceMs);
}
