import { FUNCTIONS } from '../../../src/promql/functions.js';
import type { ValueType } from '../../../src/promql/ast.js';

/**
 * Queries by which a tenant that may see `ns="a"` wants to learn of the rest, in families: a way of naming what is foreign, at each place where
 * something can be named. None has in it what only an answer about others could have.
 */

/** Ways to name what is another's; a vector each. */
const NAMINGS = [
  'secret', 'x{ns="b"}', '{__name__="secret"}', '{"secret"}', '{__name__=~"s.+t"}', 'x{ns!="a"}', '{pod=~".*",ns=~".+"}', 'secret offset 1m', 'secret @ end()', '(secret)', 'x{ns=""}', "{'secret',ns='b'}", 'secret{ns=~"b|"}',
  'x{ns=~"a|b"}', '{__name__=~".+",ns!~"a"}', '-secret',
];

/** Each with S for a vector. */
const POSITIONS = [
  'S', '((S))', '+S', '-S', 'S + 1', '1 - S', '2 ^ S', 'S > bool 0', 'S != 1', 'x or S', 'S or x', 'x and on () S', 'x unless on () S', 'x or on () S', 'x and ignoring (ns, pod) S', 'x + on () group_left () S', 'x * on (job) group_left (token) S', 'S * on (job) group_right (token) x',
  'x / ignoring (ns, pod, token) group_left (token) S', 'x atan2 on () group_left () S', 'x == on () group_left () S', 'x > scalar(S)', 'x % scalar(S)', 'scalar(S) == bool scalar(x)', 'sum(S)', 'sum by (token) (S)', 'sum(S) by (token, ns)', 'sum without (ns) (S)', 'sum without () (S)',
  'avg(S)', 'min(S)', 'max(S)', 'count(S)', 'group by (token, __name__) (S)', 'stddev(S)', 'stdvar(S)', 'quantile(0.5, S)', 'topk(1, S)', 'bottomk(9, S)', 'topk(scalar(S), x)', 'topk(scalar(S) / scalar(S), x)', 'bottomk(-scalar(S), x)', 'quantile(scalar(S), x)',
  'quantile by (pod) (scalar(count(S)) / 10, x)', 'topk without (ns) (scalar(max_over_time(S[5m:1m])), S)', 'count_values("v", S)', 'count_values("ns", S)', 'count_values("__name__", S)', 'count_values by (token) ("pod", S)', 'vector(scalar(S))', 'vector(-scalar(S))',
  'max_over_time((S)[10m:1m])', 'max_over_time(sum(S)[10m:1m] offset 1m)', 'max_over_time(max_over_time((S)[5m:1m])[10m:1m] @ end())', 'count_over_time((S > 0)[10m:])', 'sum_over_time((x + on () group_left () S)[5m:1m])', '(S)[5m:1m]', '(S or x)[5m:1m]',
  'label_replace(S, "ns", "a", "", "")', 'label_replace(S, "__name__", "x", "", "")', 'label_replace(S, "a", "$1", "token", "(.*)")', 'label_replace(x, "ns", "b", "ns", "a") + on (ns) group_left (token) S', 'label_join(S, "ns", "", "__name__", "token")', 'label_join(x, "pod", "/", "token") or S',
  'sum(x) / on () sum(S)', 'absent(sum(S))', 'absent(S) * 0 + on () group_left () x', 'histogram_quantile(0.9, sum by (le) (S))', 'sort(S)', 'x unless on () absent(S)', 'x and on () (count(S) > 0)', 'x * on () group_left () (S == bool 424)', 'x > bool on () group_left () S',
];

/** An argument of each type, with the vector in it. */
const ARGUMENTS: Readonly<Record<ValueType, (vector: string) => string>> = {
  vector: (vector) => vector,
  scalar: (vector) => `scalar(${vector})`,
  matrix: (vector) => `(${vector})[5m:1m]`,
  string: () => '"a"',
};
const HARMLESS: Readonly<Record<ValueType, string>> = { vector: 'x', scalar: '0.5', matrix: 'x[5m]', string: '"a"' };

/** Every function that there is, with what is foreign in each of its arguments in turn. */
function byFunction(): readonly string[] {
  return [...FUNCTIONS].flatMap(([name, { args }]) =>
    args.flatMap((type, at) => (type === 'string' ? [] : [`${name}(${args.map((other, index) => (index === at ? ARGUMENTS[type]('S') : HARMLESS[other])).join(', ')})`])),
  );
}

/** A bare range selector as an argument. */
const RANGES = [...FUNCTIONS].flatMap(([name, { args }]) => (args.includes('matrix') ? [`${name}(${args.map((type) => (type === 'matrix' ? 'R' : HARMLESS[type])).join(', ')})`] : []));
const RANGE_NAMINGS = ['secret[5m]', 'x{ns="b"}[5m]', '{__name__=~".+",ns!="a"}[5m]', '{"secret"}[5m] offset 1m', '(secret[5m])', 'secret[5m] @ end()', '{ns=~"b|"}[5m]'];

function positions(): readonly string[] {
  const all = [...POSITIONS, ...byFunction()];
  // Each place three ways, so that each way comes to each kind of place.
  return all.flatMap((position, index) => [0, 5, 11].map((step) => position.replaceAll('S', () => NAMINGS[(index + step) % NAMINGS.length] ?? 'secret')));
}

const VALUES = ['', 'a', 'b', 'a|b', '.*', '.+', 'a|', '(?:)', 'a?', 'b?', '[^a]', '\\\\x62', 'a|b|', '.{0}', '(a|b)', 'a.*|b', '^b$', 'b$', '^', '$', '(?i)B', '(?s).*', 'a\\nb', '(?P<n>b)', '\\\\pL', '[[:alpha:]]', 'b{1}', '\\\\Qb\\\\E', '(?-s:.)', '\\\\bb\\\\b', '\\\\x{62}', '\\\\142', 'a|.', '(|b)', '[a-b]', '\\\\D'];

/** The tenant's own label, compared with everything in every way. */
function labels(): readonly string[] {
  return ['=', '!=', '=~', '!~'].flatMap((op) => VALUES.map((value, index) => (index % 2 === 0 ? `x{ns${op}"${value}"}` : `count by (ns) ({__name__!="",ns${op}"${value}"})`)));
}

const NAMES = [
  '{__name__=~"secret|x"}', '{__name__=~"(?i)SECRET"}', '{__name__=~"s[e]cret"}', '{__name__=~"\\\\x73ecret"}', '{__name__=~"^secret$"}', '{__name__=~"secret$|^"}', '{__name__=~"(?s:s.*)"}', '{__name__!~"x|y"}', '{__name__!="x"}', '{__name__=~".{6}"}', '{__name__=~"[^x]+"}', '{__name__=~"x|",ns="b"}',
  '{"__name__"="secret"}', '{"__name__"=~"s.*"}', '{"secret",ns=~".*"}', '{"x","ns"="b"}', "{'x','ns'='b'}", '{`x`,`ns`=`b`}', '{"x",ns="b",}', '{ns="b","x"}', '{"\\x73ecret"}', '{"\\163ecret"}', '{"\\u0073ecret"}', '{"\\U00000073ecret"}', '{__name__="\\x73\\x65cret"}', 'x{"n\\x73"="b"}', 'x{"\\156s"="b"}',
  'x{"n\\U00000073"="\\x62"}', '{"my.metric"}', '{"my.metric",ns="b"}', '{"my.metric","ns"=~"b"}', '{"mÿ"}', '{"😀"}', '{"a b"}', '{"ns=\\"a\\""}', '{"x{ns=\\"a\\"}"}', '{"}"}', '{"x",ns!="a"} or {"secret"}', '{"secret"}[5m:1m]', 'sum({"secret"})', '{__name__="x",__name__=~"secret|x"}', '{__name__="x",__name__="secret"}',
  '{__name__="secret",ns="a"}', '{__name__="x",ns="a",ns="b"}', '{__name__="x",ns="a",ns=~"b|a"}', 'x{ns="a",ns!="a"}', '{ns="a",ns=~"a|b",__name__=~".+"}', 'sum by ("ns", "token") ({"secret"})', 'sum by ("to\\x6ben") (secret)', 'x * on ("job") group_left ("token") secret', '{__name__=~"x",ns=~"a{1,1000}|b"}', '{__scrapeway_denied__="1",__name__="secret"}',
  'x{__scrapeway_0__="1"} or secret', 'sum by (__scrapeway_0__) ({__name__=~"x|secret"})', '{__name__=~"x|secret",__scrapeway_0__=""}',
];

/** Where readers of text differ. */
const TEXTS = [
  'x # a\r or secret', 'x #\r or secret', '#\rsecret', '# x\n secret', '#\r\nsecret', 'x{ns="a"} # }\ror secret', 'x{ns="a",#"\r\nns="b"\n}', 'x{# }\r} or secret', 'x{pod="#"} # "\r or secret', 'x #\u2028 or secret', 'x #\u0085 or secret', 'x #\u000b or secret', 'x #\f or secret', '#', '# secret',
  '#!secret\nx', 'x /* */ or secret', 'x // \n or secret', 'x -- \n or secret', 'x \\\n or secret', 'x\u00a0or\u00a0secret', 'x\u3000or secret', 'x\u000bor secret', 'x\for secret', 'x\u0000or secret', '\u0000secret', 'secret\u0000', 'x{ns="a\u0000"} or secret', '\ufeffsecret', 'x \ufeffor secret', 'x\u200b or secret', 'x\u0085or secret',
  'x\r\ror\r\rsecret', '\tsecret\t', '\r\nsecret\r\n', 'ѕecret', 'ｓecret', 'secreт', 'x{ns＝"b"}', 'x｛ns="b"｝', 'x{ns=“b”}', 'x{n\u0073="b"}', 'x{ns="\\x62"}', 'x{ns="\\142"}', 'x{ns=\'\\x62\'}', 'x{ns=`\\x62`}', 'x{ns="\\xff"}', 'x{ns="\\xc1\\xa2"}', 'x{ns="\\u0062"}', 'x{ns="\\U00000062"}', 'x{ns="\\ud800"}',
  'x{ns="b\\""}', 'x{ns="a\\\\"} or secret', 'x{ns="a\\\\",ns="b"}', 'x{ns="a\\"} or secret{ns="b"}', "x{ns='a\\'} or secret{ns='b'}", 'x{ns=`a`} or secret', 'x{ns=`a\\`} or secret', 'x{ns=`a\nb`}', 'x{ns="a\nb"}', '"secret"', "'secret'", '`secret`', '"\\x73"', 'x{ns="a"}}', 'x{ns="a"}{ns="b"}', 'x{{ns="b"}}', '{x{ns="b"}}',
  'x{ns="a" or ns="b"}', 'x{ns="a";ns="b"}', 'x{ns="a" ns="b"}', 'x{,ns="b"}', 'x{ns="b",,}', 'x{ns=="b"}', 'x{ns=b}', 'x{ns="b"', 'x ns="b"}', 'x[ns="b"]', 'secret;', 'x;secret', 'x,secret', 'x|secret', 'x||secret', 'x&&secret', 'x | secret', '$secret', '${secret}', '{{secret}}', '@secret', 'secret@', 'x @ secret', 'x offset secret',
  '(secret', 'secret)', '()', '[]', '{}', 'sum', 'sum(', 'sum()', 'sum(secret', 'sum((secret)', 'by (ns) sum(secret)', 'sum by ns (secret)', 'SUM(secret)', 'Sum BY (token) (secret)', 'secret OR x', 'x UNLESS ON() secret', 'secret OFFSET 1m', 'x AND secret', 'x aNd On () secret',
];

const NUMBERS = [
  'topk(1e400, secret)', 'topk(NaN, secret)', 'topk(Inf, secret)', 'topk(-1, secret)', 'topk(0x10, {__name__=~".+"})', 'bottomk(1_000, {__name__=~".+"})', 'secret > 1e308 * 10', 'secret == NaN', 'secret != NaN', 'x[9999999999999y]', 'x[0s]', 'x[-5m]', 'secret[5m] offset -1m', 'secret offset 292y', 'secret offset -292y', 'secret @ 1e20',
  'secret @ -1e20', 'secret @ Inf', 'secret @ NaN', 'secret @ 0x7fffffff', 'secret @ 1_700_000_000', 'max_over_time(secret[1y])', 'max_over_time(secret[1ms])', 'max_over_time(secret[5m:1ms])', 'max_over_time(secret[1d:1s])', 'max_over_time(secret[0x12c])', 'max_over_time(secret[300])', 'max_over_time(secret[3e2])', 'max_over_time(secret[5m0s])',
  'max_over_time(secret[0.5m])', 'max_over_time(secret[1m5h])', '1e1000', '-1e1000', '0b11', '0o17', '017', '1__0', '1e', '0x', '.', '..', '1.2.3', '1h2', 'quantile(1e308, secret)', 'quantile(-Inf, secret)', 'quantile_over_time(NaN, secret[5m])', 'histogram_quantile(Inf, secret)', 'clamp(secret, 1, 0)', 'round(secret, 0)', 'predict_linear(secret[5m], 1e308)', 'limit_ratio(1, secret)',
  'limit_ratio(-1, secret)', 'limitk(1000, secret)', 'limitk(0, secret)',
];

const KEYWORDS = [
  'on{ns="b"}', 'ignoring', 'group_left', 'bool', 'atan2', 'and{ns="b"}', 'or', 'unless{ns="b"}', 'by{ns="b"}', 'without', 'offset{ns="b"} offset 5m', 'start{ns="b"}', 'end', 'step{ns="b"}', 'range', 'sum{ns="b"}', 'topk', 'inf{ns="b"}', 'nan', 'Inf', 'start()', 'end()', 'end() - time()', 'step()', 'range()', 'secret @ start()', 'secret @ end() offset 1m',
  'and and and', 'or or or', 'unless unless unless', 'by by by', 'sum by (by) (by)', 'sum by (on, ignoring, bool) (secret)', 'sum by (ns,) (secret)', 'x{on="b"}', 'x{by="b",ns="b"}', 'fill{ns="b"}', 'fill_left', 'smoothed{ns="b"}', 'anchored', 'limitk{ns="b"}', 'x + fill(0) secret', 'x + on () fill_left(1) fill_right(2) secret', 'x * on (job) group_left (token) fill(0) secret', 'secret smoothed',
  'secret anchored', 'rate(secret[5m] smoothed)', 'rate(secret[5m] anchored)', 'increase(secret[5m] anchored) offset 1m', 'x </ secret', 'x >/ secret', 'x </ 1', 'max_of(scalar(secret), 1)', 'min_of(1, scalar(secret))', 'info(secret)', 'info(x)', 'info(x, {__name__="secret"})', 'info(x, {ns="b"})', 'info(x, {__name__=~".+_info"})', 'sum(info(x, {token=~".+"}))', 'info(label_replace(x, "job", "j", "", ""))',
  'x[5m + 1m]', 'max_over_time(secret[5m * 2])', 'max_over_time(secret[(5m)])', 'max_over_time(secret[step()])', 'max_over_time(secret[range()])', 'max_over_time(secret[max_of(5m, 1m)])', 'max_over_time(secret[5m:min_of(1m, 2m)])', 'secret offset (5m * 0)', 'secret offset -(1m)', 'secret offset step()', 'x[scalar(secret)]', 'max_over_time(x[5m + scalar(secret)])', 'x offset scalar(secret)', 'x offset (scalar(secret) * 1m)',
  'max_over_time(x[5m / 0])', 'max_over_time(x[5m % 0])', 'max_over_time(x[2 ^ 2000])', 'max_over_time(x[-5m + 1m])', 'histogram_quantiles(secret, "q", 0.5, 0.9)', 'histogram_quantiles(x, "ns", scalar(secret) / 500000, 0.9)', 'sort_by_label(secret, "token")', 'sort_by_label_desc({__name__=~".+"}, "ns")', 'double_exponential_smoothing(secret[5m], 0.5, 0.5)', 'holt_winters(secret[5m], 0.5, 0.5)', 'ts_of_max_over_time(secret[5m])',
  'start_timestamp(secret)', 'mad_over_time(secret[5m])', 'absent(secret{token="t"}) or secret', 'absent({__name__=~"secret|z"})', 'absent(x{ns="b",pod="1"})', 'absent_over_time({ns="b"}[5m])', 'nosuch(secret)', '__name__', '{__name__}', '__name__{ns="b"}', 'vector(secret)', 'scalar(1)', 'time(secret)', 'rate(secret)', 'sum(secret[5m])', 'secret[5m][5m]', 'secret[5m:1m][5m:1m]', '(secret[5m])[5m:1m]',
];

/** Whatever costs most where it is read, rewritten or evaluated. */
function heavy(): readonly string[] {
  return [
    `${'('.repeat(5000)}secret${')'.repeat(5000)}`, `${'-'.repeat(20_000)}secret`, `secret${' + secret'.repeat(3000)}`, `secret{${Array.from({ length: 500 }, (_, index) => `l${index}=""`).join(',')}}`, `{__name__=~"${Array.from({ length: 2000 }, (_, index) => `s${index}`).join('|')}|secret"}`,
    `x{ns=~"${'(a|b)'.repeat(900)}"}`, `x{ns=~"${'(b*)*'.repeat(50)}"}`, `{__name__=~"${'('.repeat(2000)}secret${')'.repeat(2000)}"}`, `x{ns="${'b'.repeat(200_000)}"}`, `${'sum('.repeat(150)}secret${')'.repeat(150)}`, `sum by (${'ns,'.repeat(5000)}) (secret)`, `${'max_over_time('.repeat(40)}secret${'[5m:1m])'.repeat(40)}`,
    `label_join(secret, "a", ",", ${Array.from({ length: 500 }, () => '"ns"').join(', ')})`, `secret${' or secret'.repeat(1500)}`, `# ${'#'.repeat(100_000)}\nsecret`, `${' '.repeat(100_000)}secret`, `x{ns=~"b{1000}{1000}"}`, `{ns=~".{1000}|.{999}|b"}`, `x @ ${'9'.repeat(5000)}`, `x[${'9'.repeat(400)}y]`, `${'1 ^ '.repeat(3000)}secret`,
  ];
}

export interface Family {
  readonly name: string;
  readonly queries: readonly string[];
}

export const FAMILIES: readonly Family[] = [
  { name: 'positions', queries: positions() },
  { name: 'ranges', queries: RANGES.flatMap((position, index) => [0, 3].map((step) => position.replaceAll('R', () => RANGE_NAMINGS[(index + step) % RANGE_NAMINGS.length] ?? 'secret[5m]'))) },
  { name: 'the own label', queries: labels() },
  { name: 'names', queries: NAMES },
  { name: 'text', queries: TEXTS },
  { name: 'numbers', queries: NUMBERS },
  { name: 'keywords and experiments', queries: KEYWORDS },
  { name: 'weight', queries: heavy() },
];
