/**
 * What the control thread and the data threads tell each other. Plain data: it crosses by structured clone.
 *
 * State flows one way, control → data; facts flow back. A data thread that starts (again) is told everything from the
 * beginning, so nothing in it needs to survive it.
 */
import type { MetricObject } from 'prom-client';
import type { DesiredState } from '../model/desired-state.js';
import type { HandOver } from '../model/hand-over.js';
import type { ExportReport } from '../model/export-report.js';
import type { TokenVerdict } from '../model/kubernetes.js';
import type { SharedCacheOptions } from '../model/shared-cache.js';
import type { Registration } from '../model/target.js';
import type { LogLevel } from '../lib/logger.js';
import type { StateChange } from './state-change.js';

/** `workerData` of a data thread: what never changes during its life. */
export interface DataThreadOptions {
  readonly index: number;
  readonly runtimeDir: string;
  readonly logLevel: LogLevel;
  readonly keepAlive: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly reconnectGraceMs: number;
  /** Connections of one agent's tunnel. */
  readonly maxLanes: number;
}

export type ToDataThread =
  /** A configuration that was accepted. */
  | { readonly type: 'state'; readonly state: DesiredState }
  /** What some data thread's agent offers now; `targets` undefined: forgotten (its retention has passed). */
  | { readonly type: 'registration'; readonly agent: string; readonly targets: Registration['targets'] | undefined }
  /** The answer to `review` of the same `id`. */
  | { readonly type: 'reviewed'; readonly id: number; readonly verdict: TokenVerdict }
  /** Answer with `metrics` and the same `id`. */
  | { readonly type: 'collect'; readonly id: number }
  /** Finish what is in flight, refuse what is new, answer with `drained`. */
  | { readonly type: 'drain' };

export type FromDataThread =
  /** All sockets listen. */
  | { readonly type: 'listening' }
  | { readonly type: 'registered'; readonly registration: Registration }
  | { readonly type: 'agent'; readonly agent: string; readonly state: 'up' | 'down' }
  /** Whose is this token? Answered by `reviewed`. */
  | { readonly type: 'review'; readonly id: number; readonly token: string }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: MetricObject[] }
  | { readonly type: 'drained' };

/** This data thread holds the agent's tunnels now. */
export interface Located {
  readonly type: 'located';
  readonly agent: string;
  readonly thread: number;
}

/** `workerData` of the thread of the query and push doors. */
export interface DoorThreadOptions {
  readonly runtimeDir: string;
  readonly logLevel: LogLevel;
  /** Of range queries; without it, none is kept. */
  readonly cache: { readonly maxBytes: number; readonly shared: SharedCacheOptions | undefined } | undefined;
}

export type ToDoorThread =
  /** Of the state that it was told last. */
  | { readonly type: 'state'; readonly change: StateChange }
  | Located
  | { readonly type: 'expiring'; readonly expiring: boolean }
  /** Answered with `settled` and the same `id` once nobody asks any more of backends as they were before the last state. */
  | { readonly type: 'settle'; readonly id: number }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'close' };

export type FromDoorThread =
  | { readonly type: 'listening' }
  | { readonly type: 'settled'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: MetricObject[] }
  | { readonly type: 'closed' };

/** `workerData` of the thread of exports. */
export interface ExportThreadOptions {
  /** Where spools and positions are kept. */
  readonly folder: string;
  readonly runtimeDir: string;
  readonly logLevel: LogLevel;
}

export type ToExportThread =
  | { readonly type: 'state'; readonly state: DesiredState }
  | Located
  /** Answered with `settled` and the same `id` once nothing is sent any more, or everything may be. */
  | { readonly type: 'active'; readonly active: boolean; readonly left: HandOver; readonly id: number }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'view'; readonly id: number; readonly tenant: string }
  | { readonly type: 'report'; readonly id: number }
  | { readonly type: 'close' };

export type FromExportThread =
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: MetricObject[] }
  | { readonly type: 'view'; readonly id: number; readonly text: string }
  | { readonly type: 'reports'; readonly id: number; readonly reports: readonly ExportReport[] }
  | { readonly type: 'settled'; readonly id: number }
  | { readonly type: 'closed' };
