/**
 * Expressions of every construct, right and wrong, that Prometheus and we must judge alike. Which is which is not written down:
 * the oracle knows.
 */

const METRIC_WORDS = [
  'and', 'or', 'unless', 'atan2', 'sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk', 'count_values', 'quantile', 'limitk',
  'limit_ratio', 'offset', 'smoothed', 'anchored', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'fill', 'fill_left', 'fill_right', 'bool',
  'start', 'end', 'step', 'range', 'max_of', 'min_of', 'inf', 'nan', 'Inf', 'NaN', 'foo', 'a:b', ':a', '_x', 'SUM', 'Offset', 'time', 'rate', 'info',
];

const NAMES_AND_LABELS = [
  '{"foo"}', "{'foo'}", '{`foo`}', '{"my.metric"}', '{"my.metric", "my.label"="x"}', '{"my.label"="x", "my.metric"}', 'foo{"bar"}', '{"foo", "bar"}', '{"foo"',
  '{__name__="foo"}', 'foo{__name__="foo"}', 'foo{__name__="bar"}', 'foo{__name__=~"b.*"}', '{__name__="foo",__name__="bar"}', '{"foo",__name__=~"f.*"}',
  '{__name__=~".+"}', '{__name__!=""}', '{__name__=""}', '{""}', '{}', 'foo{}', 'foo{,}', '{,}', 'foo{a="b",}', 'foo{a="b",,}', 'foo{a="b" c="d"}', 'foo{a}',
  'foo{a=}', 'foo{a="b"', 'foo{a=b}', 'foo{1="b"}', 'foo{a:b="c"}', 'foo{a-b="c"}', 'foo{"a-b"="c"}', 'foo{a=="b"}', 'foo{a~"b"}', 'foo{a!"b"}', 'foo{a><"b"}',
  'foo{a="b",a="c",a!="d",a=~"e",a!~"f"}', '{a!="b"}', '{a=""}', '{a=~".*"}', '{a=~".+"}', '{a=~""}', '{a!~""}', '{a!~".+"}', '{a=~"a|"}', '{a=~"|"}', '{a!~"a"}',
  'foo{on="x",by="y",sum="z",inf="i",offset="o",without="w"}', '{"on"="x"}', '{""="x"}', '{"\\u006es"="a"}', '{"é"="ü"}', 'é', 'foo{é="x"}', 'foo.bar', 'foo bar',
  'foo{a="b"}{c="d"}', '{a="b"}foo', 'foo {a="b"}', 'foo\n{\n a\n =\n "b"\n}', 'foo{a="b"} {', '{{', '}', 'foo}', 'foo{a="}"}', 'foo{"a"="b","c"}',
  'foo{a="\\xff"}', 'foo{a=~"\\xff"}', 'foo{a=~"\\xff."}', 'foo{"\\xff"="b"}', '{"\\xff"}', 'foo{a="\\xc3\\xa9"}', 'foo{a="\ufffd"}', 'foo{a="\\ufffd"}', '# \ufffd\nfoo',
  '\u00a0foo', 'foo\u2028', '\ufefffoo', 'foo\u0000', 'foo\u000b', '9foo', 'foo;', 'foo$', 'foo!', 'foo=', 'foo=~"a"', '=', '!', '~', 'foo[', ']', ':', '::', 'a::b',
];

const REGEXES = [
  '.*', 'a(?=b)', '(?<name>x)', '(?P<name>x)', '(?P=name)', '\\\\1', 'x{1000}', 'x{1001}', '(x{500}){3}', '(a+)+$', '[', '(', ')', '*', 'a**', '+', '?', 'a{2,1}', 'a{,2}',
  '[a-', '[z-a]', '[[:alpha:]]', '[[:foo:]]', '\\\\d\\\\w\\\\s', '\\\\pN', '\\\\p{Greek}', '\\\\p{Nope}', '\\\\Q.*\\\\E', '\\\\C', '\\\\z', '\\\\Z', '\\\\A', '\\\\b',
  '(?i)a', '(?s)a', '(?U)a+',
  '(?x)a', '(?-s).', '(?i:a)b', '(?:a|b)', '(a|b', 'a|b)', '\\\\', '\\\\x41', '\\\\x{1F600}', '\\\\u0041', '^a$', '$a^', 'a.b', '😀', '[^😀]', '\\\\_', '\\\\-', '\\\\@',
  'a{', 'a{1', '{1}',
  '\\\\8', '(?#c)', '(?>a)', '\\\\G', '\\\\K', '\\\\R', '[a-\\\\d]', '[\\\\]]', '[]a]', '[^]a]', '()', '(?:)', '(|a)', '||', '\\\\pZ', '\\\\PZ', '\\\\p{^Greek}',
  '(?i)(?-i)x', '((((a))))',
].flatMap((pattern) => [`foo{a=~"${pattern}"}`, `{a!~"${pattern}"}`]);

const STRINGS = [
  '"a"', "'a'", '`a`', '"\\""', "'\\''", '"\\\'"', "'\\\"'", '`\\`', '"\\a\\b\\f\\n\\r\\t\\v\\\\"', '"\\0"', '"\\00"', '"\\000"', '"\\377"', '"\\400"', '"\\x"',
  '"\\x4"', '"\\x41"', '"\\xZZ"',
  '"\\u123"', '"\\u1234"', '"\\ud800"', '"\\udfff"', '"\\U00110000"', '"\\U0010FFFF"', '"\\UFFFFFFFF"', '"\\q"', '"\\8"', '"\\\n"', '"a\nb"', "'a\nb'", '`a\nb`',
  '"a\rb"', '"a\tb"', '"',
  "'", '`', '"\\', '"a', "'a\"", '"a" "b"', '"a"+"b"', '-"a"', '("a")', '"# no comment"', '"é😀\u0001\u00ad\u200b\ufeff"', '"\\xff\\xfe\\xf0\\x9f\\x98\\x80"', '"\\xed\\xa0\\x80"', '"\\xc0\\x80"',
];

const NUMBERS = [
  '0', '1', '-1', '+1', '--1', '-+-1', '1.', '.1', '.', '..', '1..', '1.2.3', '00', '007', '08', '0o7', '0b1', '0x', '0x0', '0x00', '00', '0_0', '0x1', '0X1F', '0xg',
  '0x1.8', '0x1p2', '0x1p-2', '0x1e5', '0x1ee5', '0x1e+5',
  '0x_1', '0x1_f', '0x1__f', '0x7fffffffffffffff', '0x8000000000000000', '9223372036854775807', '9223372036854775808', '0777777777777777777777',
  '01777777777777777777777', '1e3', '1E3', '1e+3',
  '1e-3', '1e', '1e ', '1e+', '1ee3', '1e3.', '1e3.5', '1e308', '1e309', '-1e309', '1e-400', '4.9e-324', '1_000', '1__000', '_1', '1_', '1_ ', '1_000.5', '1._5',
  '1_.5', '1e1_0', '1e_1', '0_7', '0_8',
  '.5_5', 'Inf', 'inf', '+Inf', '-INF', 'NaN', 'nan', '-NaN', 'Infinity', 'infx', '1x', '1e3x', '5m', '5ms', '1h30m', '1m30h', '1m1m', '1y1w1d1h1m1s1ms', '5M', '5hs',
  '5ys', '1.5h', '1s1', '5m5', '0s',
  '300y', '292y', '1d ', '1dd', '1h_', '9223372037s', '9223372036s', '1_0s', '0x5m', '5m + 1', '-5m', '1w * 2', '0.1', '0.30000000000000004', '1e21', '1e-7',
  '123456789012345678', '1 2',
];

const OPERATORS = ['+', '-', '*', '/', '%', '^', 'atan2', '==', '!=', '<', '<=', '>', '>=', '</', '>/', 'and', 'or', 'unless'];

const BINARY = [
  ...OPERATORS.flatMap((op) => [
    `a ${op} b`, `1 ${op} 2`, `a ${op} 1`, `1 ${op} b`, `1 ${op} bool 2`, `a ${op} bool b`, `a ${op} on(x) b`, `a ${op} ignoring(x) b`, `a ${op} on() b`,
    `1 ${op} on() 2`, `a ${op} on(x) 1`,
    `a ${op} on(x) group_left b`, `a ${op} on(x) group_right(y) b`, `a ${op} fill(0) b`, `a ${op} fill_left(1) fill_right(2) b`, `a ${op} "s"`, `a ${op} b[5m]`,
    `a ${op}`, `${op} a`, `a ${op} ${op} b`,
    `a ${op.toUpperCase()} b`, `a${op}b`, `a ${op} -b`, `a ${op} (b)`,
  ]),
  ...OPERATORS.flatMap((first) => OPERATORS.filter((_, index) => index % 4 === first.length % 4).map((second) => `a ${first} b ${second} c`)),
  'a + on(x) group_left(x) b', 'a + ignoring(x) group_left(x) b', 'a + on(x) group_left (b)', 'a + on(x) group_left (y) (b)', 'a + on(x) group_left() b',
  'a + group_left(x) b', 'a + on x b', 'a + on(x',
  'a + on(x y) b', 'a + on(x,) b', 'a + on(,) b', 'a + on("x y") b', 'a + on("") b', 'a + on("\\xff") b', 'a + on(1) b', 'a + on(without) b', 'a + on("without") b',
  'a + on(inf) b', 'a + on(a:b) b',
  'a + bool on(x) b', 'a == on(x) bool b', 'a == bool bool b', 'a + fill(0) b', 'a + fill(-1) b', 'a + fill (+5m) b', 'a + fill() b', 'a + fill(x) b',
  'a + fill(1) fill_left(2) b', 'a + fill_right(1) fill_left(-2) b',
  'a + fill_left(1) fill_left(2) b', 'a + fill', 'fill + a', 'fill(0)', 'fill{a="b"}', 'a + fill_left', 'a and fill(0) b', 'a + fill(1) 2', '-a ^ b', '-a * b',
  '-1 ^ 2', '(-1) ^ 2', '2 ^ -1 ^ 2', '2 ^ 3 ^ 4', 'a ^ -b * c',
  '- - a', '+-a', '!a', 'a ! b', 'a = b', 'a =~ b', 'a <> b', 'a < / b', 'a >/b', 'a </ -b', 'a and b or c unless d', 'a or b and c', 'a == b == c', 'a - b - c',
  'a % b * c / d', 'a atan2 b atan2 c',
];

const AGGREGATIONS = [
  ...['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'SUM', 'Avg'].flatMap((op) => [
    `${op}(a)`, `${op} by (x) (a)`, `${op}(a) by (x)`, `${op} without (x, y) (a)`, `${op}(a) without ()`, `${op} by () (a)`, `${op}()`, `${op}(a, b)`, `${op}(1)`,
    `${op}(a[5m])`, `${op}("a")`, `${op} {a="b"}`, `${op}{}`,
  ]),
  ...['topk', 'bottomk', 'quantile', 'limitk', 'limit_ratio'].flatMap((op) => [
    `${op}(1, a)`, `${op}(scalar(x), a)`, `${op}(a, a)`, `${op}("x", a)`, `${op}(a)`, `${op}(1, a, b)`, `${op} by (x) (1, a)`, `${op}(1, a) without (x)`,
    `${op}(scalar(x) + 1, a) by (x)`, `${op}(1, 2)`,
  ]),
  'count_values("x", a)', 'count_values(1, a)', 'count_values(x, a)', 'count_values by (y) ("x", a)', 'sum by (x) (a) by (y)', 'sum by x (a)', 'sum(a) by',
  'sum by (x)', 'sum by', 'sum x', 'sum(a', 'sum a)', 'sum(a b)',
  'sum(a,)', 'sum(,a)', 'sum(*)', 'sum(1 +)', 'sum by (a.b) (x)', 'sum by ("a.b", \'c d\', `e`) (x)', 'sum by (sum, on, by, bool, offset, start, end, step, fill) (x)',
  'sum by (without) (x)', 'sum by (nan) (x)', 'sum by (x,) (a)',
  'sum by (x,,y) (a)', 'sum by (,) (a)', 'sum by (x y) (a)', 'sum by (1) (a)', 'sum by (x (a)', 'sum BY (x) (a)', 'sum WITHOUT (x) (a)', 'sum(sum(sum(a)))',
  'sum (a) + sum by (x) (b)', 'sum(a) offset 5m', 'sum(a)[5m]', 'sum(a)[5m:]',
];

const RANGES = [
  'a[5m]', 'a[5]', 'a[0]', 'a[0s]', 'a[-5m]', 'a[--5m]', 'a[5m', 'a[]', 'a[ 5m ]', 'a[\n5m\n]', 'a[5m # c\n]', 'a[# c\n5m]', 'a[5m:]', 'a[5m:1m]', 'a[5m:0]',
  'a[5m:-1m]', 'a[:1m]', 'a[5m::1m]', 'a[5m:1m:1m]', 'a[5m:1m', 'a[5m:',
  'a[5m 5m]', 'a[x]', 'a[5m:x]', 'a["5m"]', 'a[5m][5m]', 'a[5m][5m:]', 'a[5m:][5m:]', 'a[5m:][5m]', '(a)[5m]', '(a)[5m:]', '1[5m]', '1[5m:]', '"s"[5m:]',
  'rate(a[5m])[5m:]', 'rate(a[5m])[5m]', 'sum(a)[5m:1m]', 'a + b[5m:]', '-a[5m:]',
  'a[1e3]', 'a[1e400]', 'a[1e20]', 'a[300y]', 'a[0.0001]', 'a[1.5]', 'a[1.5h]', 'a[Inf]', 'a[5m]]', 'a[[5m]]', 'a[5m:[1m]]', 'a{x="y"}[5m]', '{x="y"}[5m]',
  '{"a"}[5m]', 'a[5m]{x="y"}', 'a [5m]', 'a[5M]', 'a[5m;]', 'a[5m=]', 'a[5m{}]',
  'a[5m+1m]', 'a[5m + 1m * 2 ^ 3 - 4 / 5 % 6]', 'a[(5m)]', 'a[((5m))]', 'a[-(5m)]', 'a[5m / 0]', 'a[5m % 0]', 'a[5m / (0)]', 'a[step()]', 'a[range()]', 'a[STEP()]',
  'a[step]', 'a[step()', 'a[step():1m]', 'a[5m:step()]', 'a[1m + step():range()]',
  'b[5m] + a[step():1m]', 'a[min_of(5m, step())]', 'a[max_of(5m, 1h) * 2]', 'a[min_of(5m)]', 'a[min_of(5m, 1h, 1d)]', 'a[min_of()]', 'a[foo()]', 'a[5m == 5m]',
  'a[5m atan2 5m]', 'a[-5m + 10m]', 'a[-step()]', 'a[+step()]', 'a[5m ^ -1]',
  'a[(5m + 1m) * 2:(1m)]', 'a[5m, 1m]', 'a[5m + ]', 'a[+ 5m]', 'a[5m (1m)]', 'a[1m]()', 'a[step() + step()]', 'a[5m:1m + step()]', 'a[5m:1m # c\r]',
  'a[5m: 1m ] offset 1m @ 5', 'a[1_0]', 'a[0x10]', 'a[010]',
];

const TIMING = [
  'a offset 5m', 'a offset -5m', 'a offset +5m', 'a offset - 5m', 'a offset --5m', 'a offset 0', 'a offset 0 offset 5m', 'a offset 5m offset 0', 'a offset 5',
  'a offset 1.5', 'a offset x', 'a offset', 'a offset "5m"', 'a offset 5m offset 5m', 'a OFFSET 5m',
  'a[5m] offset 5m', 'a offset 5m[5m]', 'a offset 0[5m]', 'a offset 5m[5m:]', 'a[5m:1m] offset 5m', 'a[5m:] offset -1w', 'sum(a offset 5m)', 'sum(a) offset 5m',
  '(a) offset 5m', '1 offset 5m', '"x" offset 5m', 'a + b offset 5m', '-a offset 5m', 'a offset 5m + b',
  'a offset 2^2', 'a offset -2^2', 'a offset (2)^2', 'a offset -(2)^2', 'a offset (5m) + 2', 'a offset (5m) + b', 'a offset --5m * 2', 'a offset +(5m) * 2',
  'a offset -+-5m', 'a offset step()', 'a offset -step()', 'a offset range() * 2', 'a offset min_of(1m, 2m) + 3',
  'a offset -max_of(1m, step())', 'a offset (1m + step())', 'a offset -(1m + step()) * 2', 'a offset - -step() ^ 2', 'a offset (1m', 'a offset step',
  'a offset step(1)', 'a offset foo()', 'a offset 5m @ 10', 'a offset 9223372037', 'a offset -9223372037s', 'a offset Inf',
  'a @ 10', 'a @ -10', 'a @ +10', 'a @ 1.5', 'a @ 1e9', 'a @ 5m', 'a @ start()', 'a @ end()', 'a @ START()', 'a @ start', 'a @ start(1)', 'a @ step()', 'a @ x', 'a @',
  'a @ 10 @ 20', 'a @ 10 @ start()', 'a @ start() @ end()', 'a @ 0 @ 0', 'a @ Inf', 'a @ -Inf', 'a @ NaN',
  'a @ 1e30', 'a @ 10 offset 5m', 'a[5m] @ 10', 'a @ 10[5m]', 'a @ 10[5m:]', 'a[5m:] @ end()', 'sum(a) @ 10', '(a) @ 10', '1 @ 10', 'a + b @ 10', 'a@10',
  'a@start()+b', 'a @ --10', 'a @ 0.0004', 'a @ -0.0005', 'a @ 1609746000.123', 'rate(a[5m] @ 10 offset 1m)',
  'start', 'start()', 'end()', 'start(1)', 'step()', 'range()', 'START()', 'min_of(1, 2)', 'max_of(1, a)', 'min_of(5m, step())', 'start{}', 'a @ (10)', 'a anchored',
  'a smoothed', 'a[5m] anchored', 'a[5m] smoothed', 'a anchored[5m]', 'a smoothed smoothed',
  'a anchored smoothed', 'a[5m] smoothed anchored', 'a[5m:] anchored', '(a) smoothed', '1 anchored', 'rate(a[5m] anchored offset 5m)', 'a[5m] offset 5m smoothed',
  'a @ 5 smoothed offset 1m', 'anchored anchored', 'smoothed', 'sum(a) smoothed',
];

const CALLS = [
  'foo()', 'foo(a)', 'Rate(a[5m])', 'RATE(a[5m])', 'rate(a)', 'rate(a[5m])', 'rate(a[5m:])', 'rate()', 'rate(a[5m], 1)', 'rate(a[5m],)', 'rate(,)', 'rate(a[5m]',
  'rate a[5m])', 'rate{a="b"}', 'rate', 'rate (a[5m])', 'rate\n(\na[5m]\n)', 'a:b(x)', 'time()', 'time(1)', 'pi()',
  'pi() + 1', 'scalar(a)', 'scalar(1)', 'vector(1)', 'vector(a)', 'vector("x")', 'abs(a)', 'abs(1)', 'abs(a, b)', 'absent(a)', 'absent(sum(a))',
  'absent_over_time(a[5m])', 'day_of_month()', 'day_of_month(a)', 'day_of_month(a, b)', 'hour(vector(time()))', 'round(a)', 'round(a, 5)',
  'round(a, 5, 6)', 'round(a, b)', 'clamp(a, 1, 2)', 'clamp(a, 1)', 'clamp_min(a, scalar(b))', 'label_replace(a, "x", "$1", "y", "(.*)")',
  'label_replace(a, "x", "$1", "y")', 'label_replace(a, x, "$1", "y", "z")', 'label_join(a, "x", ",")', 'label_join(a, "x", ",", "y", "z", "w")',
  'label_join(a, "x")', 'label_join(a, "x", ",", y)', 'sort_by_label(a)', 'sort_by_label(a, "x", "y")', 'sort_by_label(a, 1)', 'histogram_quantile(0.9, a)',
  'histogram_quantile(a, 0.9)', 'histogram_quantiles(a, "q", 0.5)', 'histogram_quantiles(a, "q", 1,2,3,4,5,6,7,8,9,10)',
  'histogram_quantiles(a, "q", 1,2,3,4,5,6,7,8,9,10,11)', 'histogram_quantiles(a, "q")', 'histogram_quantiles(a)', 'histogram_fraction(0, 1, a)', 'histogram_avg(a)',
  'histogram_stddev(a)', 'quantile_over_time(0.5, a[5m])', 'quantile_over_time(a[5m], 0.5)', 'predict_linear(a[5m], 3600)',
  'predict_linear(a[5m], 1h)', 'double_exponential_smoothing(a[5m], 0.5, 0.5)', 'holt_winters(a[5m], 0.5, 0.5)', 'info(a)', 'info(a, {x="y"})', 'info(a, {})',
  'info(a, b)', 'info(a, {__name__="b"})', 'info(a, {"b"})', 'info(a, 1)', 'info(a, sum(b))', 'info(a, {}, {})', 'info()', 'info({})',
  'timestamp(a)', 'timestamp(sum(a))', 'start_timestamp(a)', 'mad_over_time(a[5m])', 'ts_of_max_over_time(a[5m])', 'first_over_time(a[5m])',
  'last_over_time(a[5m] offset 1m)', 'sum(rate(a[5m])) by (x) / ignoring(y) group_left sum(b)', 'abs(a) abs(b)', 'abs(a)(b)', 'abs()()', 'abs((a))',
];

const WHOLE = [
  '', ' ', '\n', '#', '# c', '# c\n', 'a # c', 'a # c\n+ b', 'a # x\r or secret', 'a # x\r\n or b', '#\ra', 'a + # "\n b', 'a{x="y" # c\n}', 'a{# c }\n}',
  'sum( # c\n a)', '(a', 'a)', '()', '(1)', '((a))', '(a)(b)', '(a b)', 'a,b', 'a;b', '{a="b"} {c="d"}', '1+1', '1 + + 1', 'a[5m] + 1',
  '-a[5m]', '-"x"', '("x")', '(a[5m])', 'rate((a[5m]))', '-(1)', '-(-1)', '+(1)', '-(a)', '(1) offset 5m', 'sum((a))', '(((((((((1)))))))))', 'up == 1 or vector(0)',
  'bool', '== bool a', 'a == bool 1', 'on(x)', 'by(x)', 'offset(x)', 'offset offset 5m', 'offset offset offset', 'and and and', 'or or or or or',
  'sum sum sum', 'sum + sum', 'start @ start()', 'end @ end() offset 1m', 'step[step()]', 'range[range()]', 'min_of{a="b"}', 'group_left', 'ignoring', 'a\tor\tb',
  'a\r\nor\r\nb', 'a\u0085or b', 'a or/* c */ b', 'a -- b', 'a // b', 'a\\\nb', '$__range', 'rate(a[$__interval])', 'a[5m] or b[5m]', '<', '>/', '</',
];

export const CORPUS: readonly string[] = [
  ...new Set([
    ...METRIC_WORDS.flatMap((word) => [word, `${word}{a="b"}`, `${word} + 1`, `a or ${word}`, `sum by (${word}) (x)`, `${word}[5m]`, `${word} offset 1m`, `{${word}="x"}`, `${word}(x)`, `-${word}`, `(${word})`]),
    ...NAMES_AND_LABELS, ...REGEXES, ...STRINGS, ...STRINGS.map((text) => `a{b=${text}}`), ...NUMBERS, ...NUMBERS.map((text) => `a offset ${text}`), ...BINARY,
    ...AGGREGATIONS, ...RANGES, ...TIMING, ...CALLS, ...WHOLE,
  ]),
];
