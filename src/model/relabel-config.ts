/**
 * One entry of `relabel_configs` or `metric_relabel_configs`, with the keys that Prometheus gives them: what stands in a
 * prometheus.yml can be copied. Plain data; `src/relabel` gives it its meaning.
 */
export interface RelabelConfig {
  readonly source_labels?: readonly string[];
  readonly separator?: string;
  readonly regex?: string;
  readonly modulus?: number;
  readonly target_label?: string;
  readonly replacement?: string;
  /** Default: `replace`. In any case of letters, as Prometheus takes it. */
  readonly action?: string;
}
