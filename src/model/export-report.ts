/** What became of an export so far, for whoever tells its owner. */
export interface ExportReport {
  readonly tenant: string;
  readonly name: string;
  /** Of its receivers. */
  readonly urls: readonly string[];
  readonly state: ExportState;
  /** Of the last collection that succeeded, ms since the epoch. */
  readonly lastCollectionMs: number | undefined;
  /** Every receiver has all up to then, ms since the epoch; undefined: not known. */
  readonly deliveredMs: number | undefined;
  /** That the last collection met. */
  readonly series: number;
}

export type ExportState =
  /** Nothing has arrived anywhere yet, and nothing has failed. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'running' }
  | { readonly kind: 'failing'; readonly why: string };
