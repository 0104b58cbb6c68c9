/**
 * Queries by which a tenant that may see `ns="a"` tries to learn of the rest (facts/promql-enforcement.md §8). Each is asked with the
 * rest present.
 */
export const ADVERSARIAL_QUERIES: readonly string[] = [
  // 1: parameters are expressions
  'topk(scalar(secret), x)', 'bottomk(scalar(secret) - 424241, x)', 'quantile(scalar(secret) / 500000, x)', 'topk(scalar(max_over_time(secret[10m:1m])), x)',
  'count_values("v", secret)', 'count_values("v", {__name__=~".+"})', 'count_values("ns", x)',
  // 2: comments
  'x # mine\r or secret', 'x # mine\n or secret', 'x # secret', 'x{pod!="# secret"}', 'x # {ns="b"}\r\n or secret',
  // 3: labels renamed
  'label_replace(x, "ns", "b", "", "")', 'label_replace(secret, "ns", "a", "", "")', 'label_replace(x, "__name__", "secret", "", "")', 'label_replace({job="j"}, "__name__", "z", "", "")',
  'label_join(secret, "ns", "", "token")', 'sum by (token) (label_replace(secret, "token", "$1", "token", "(.*)"))', 'label_replace(sum(x), "ns", "b", "", "")',
  // 4: set operators and comparisons
  'x and on () secret', 'x unless on () secret', 'x or on () secret', 'x or secret', 'secret or x', 'x > bool on () group_left () secret', 'x == bool scalar(secret)', 'x < on (job) group_left () secret',
  // 5: arguments
  'scalar(secret)', 'vector(scalar(secret))', 'clamp_min(x, scalar(secret))', 'clamp_max(x, scalar(secret))', 'clamp(x, 0, scalar(secret))', 'round(x, scalar(secret))', 'histogram_quantile(scalar(secret) / 500000, buckets)',
  'histogram_quantile(0.5, {le!=""})', 'predict_linear(x[10m], scalar(secret))', 'quantile_over_time(scalar(secret) / 500000, x[10m])', 'x ^ scalar(secret)', 'day_of_month(secret)',
  // 6: joins
  'x * on (job) group_left (token) secret', 'x * on (job) group_left (foreign_label) foreign_metric', 'secret * on (job) group_right (token) x', 'x * on (job) group_left (version) target_info',
  // 8: everything
  '{__name__=~".+"}', '{__name__!=""}', 'count({__name__=~".*",job!=""})', 'count by (__name__) ({__name__!=""})', 'sum({job=~".+"})', '{pod="foreign"}',
  // 9: the tenant's label in all ways
  'x{ns=~".*"}', 'x{ns!="b"}', 'x{ns=""}', 'x{ns=~"a|"}', 'x{ns="b"}', 'x{ns="a",ns="b"}', 'x{ns="a",ns=~".*"}', 'x{ns!~"a"}', 'x{ns=~"a|b"}', 'x{ns="a|b"}', 'x{ns=~"a\\\\|b"}', '{ns="b",__name__=~".+"}',
  // 10: names in all spellings
  '{"ns"="b"}', '{"secret"}', '{"foreign.utf8"}', '{"x","ns"="b"}', '{"\\u006es"="b"}', '{"\\x73ecret"}', "{'secret'}", '{`secret`}', '{__name__="secret"}', '{"__name__"="secret"}',
  // 11: time
  'x offset 5m', 'secret offset 5m', 'secret offset -5m', 'secret @ end()', 'x @ start() or secret @ start()', 'max_over_time(secret[10m:1m])', 'max_over_time(max_over_time(secret[5m:1m])[10m:1m] offset 1m)', 'x + secret offset 5m',
  // 12, 13: presence and time of samples
  'absent(secret)', 'absent(x)', 'absent(x{ns="b"})', 'absent(secret{token="t"})', 'absent_over_time(secret[5m])', 'absent_over_time(x{ns="b",pod="1"}[5m])', 'present_over_time(secret[5m])', 'timestamp(secret)', 'timestamp(x)',
  // 14: arithmetic in durations
  'max_over_time(x[5m * 2])', 'secret offset (5m * 2)', 'rate(requests_total[2 * 5m])',
  // 18: regular expressions
  'x{ns=~"(?i)B"}', 'x{ns=~"a.?|b|"}', 'x{pod=~"(1|foreign)"}', 'x{ns=~"[^b]*"}', 'x{ns=~"\\xff"}', 'x{pod=~".*\\\\n?"}',
  // 19: keywords as names, in upper case
  'SUM(x)', 'sum BY (ns) (x)', '{sum="secret"}', 'on', 'offset', 'x{by="b"}', 'sum by (sum, by) (x)',
  // 20: numbers
  'x > 0x10', 'x + 1e308', 'x * NaN', 'x < Inf', '-x', '1', 'time() - time()', 'vector(1)', '"text"', 'x == 1_0',
  // 22: values with everything in them
  'odd{path="a|b\\"c\\\\d\\ne,f"}', 'odd{path=~"a[|]b.*"}', 'odd',
  // a range of everything, and what joins it all
  'rate({__name__=~"requests.*"}[5m])', 'count(count by (ns, job) ({job!=""})) by ()', 'sum without (ns) (x)', 'group by (ns) ({__name__!=""})', 'sort_desc(x or y)', 'sum(x) / sum(y)', 'increase(requests_total[10m]) > 0',
];

export const REFUSED_QUERIES: readonly string[] = [
  'info(x)', 'info(x, {__name__=~".+"})', 'info(x, {foreign_label=~".+"})', '{}', '{ns=~".*"}', 'limitk(scalar(secret), x)', 'limit_ratio(scalar(secret), x)',
  'x{ns=~"(?=a)"}', 'x{ns=~"(a)\\\\1"}', 'x{ns=~"a{1001}"}', 'x{ns="\\uD800"}', 'x smoothed', 'x[5m] anchored', 'x + fill(0) y', 'nosuch(x)', 'holt_winters(x[5m], 0.5, 0.5)', 'x offset 5m offset 5m',
  'x\u00A0or secret', 'x\u2028or secret', 'x{ns="a"} \\\n or secret', 'x{ns="a}', 'x{', 'x or', '', '# x', '1e309', `${'('.repeat(10_000)}x${')'.repeat(10_000)}`, `x{pod="${'1'.repeat(1_000_000)}"}`,
  'x @ NaN', 'x[5m:0s]', 'x{__name__="y"}', 'sum by ns (x)', 'x\0', 'x; secret', 'x || secret',
];
