import { describe, expect, it } from '@jest/globals';
import { MAX_FAULTS } from './messages.js';
import { validateTargets } from './targets.js';

const good = { name: 'node', scheme: 'http', host: '127.0.0.1', port: 9100, path: '/metrics', labels: { env: 'prod' } };
const limits = { maxTargets: 10 };

describe('a registration is read target by target', () => {
  it('takes a good target as it is', () => {
    expect(validateTargets([good], limits)).toEqual({ accepted: [good], faults: [] });
  });

  it('leaves out the bad ones and names them, the good ones stay', () => {
    const { accepted, faults } = validateTargets([{ ...good, port: 0 }, { ...good, name: 'two' }], limits);
    expect(accepted.map((t) => t.name)).toEqual(['two']);
    expect(faults).toEqual([{ place: 'target "node"', message: 'port must be 1 to 65535' }]);
  });

  it.each([
    ['a number as a label', { labels: { shard: 3 } }, 'label "shard" must have a string'],
    ['a null as a label', { labels: { shard: null } }, 'label "shard" must have a string'],
    ['a label that steers Prometheus', { labels: { __address__: 'evil:80' } }, 'label "__address__" starts with "__"'],
    ['a prototype key', { labels: JSON.parse('{"__proto__": "x"}') }, 'label "__proto__" starts with "__"'],
    ['a label that the gateway sets', { labels: { instance: 'x' } }, 'label "instance" is set by'],
    ['an illegal label name', { labels: { 'a-b': 'x' } }, 'label "a-b" is not a label name'],
    ['a label of 1 MB', { labels: { big: 'x'.repeat(1 << 20) } }, 'label "big" has a value longer'],
    ['too many labels', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`l${i}`, 'x'])) }, 'has 65 labels'],
    ['labels that are a list', { labels: ['a'] }, 'labels must be an object'],
    ['a path with a space', { path: '/a b' }, 'path must start'],
    ['a path with a line break', { path: '/a\r\nx: y' }, 'path must start'],
    ['a relative path', { path: 'metrics' }, 'path must start'],
    ['a host with a slash', { host: 'a/b' }, 'host must be'],
    ['a host with user info', { host: 'user@host' }, 'host must be'],
    ['another scheme', { scheme: 'file' }, 'scheme must be'],
    ['a port that is a string', { port: '9100' }, 'port must be'],
  ])('refuses %s', (_, change, message) => {
    const { accepted, faults } = validateTargets([{ ...good, ...change }], limits);
    expect(accepted).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.message).toContain(message);
  });

  it.each([['upper case', 'Node'], ['a slash', 'a/b'], ['nothing', ''], ['two dots', 'a..b'], ['a leading dot', '.control'], ['a number', 7]])('refuses a name with %s', (_, name) => {
    expect(validateTargets([{ ...good, name }], limits).faults[0]?.place).toBe('targets[0]');
  });

  it.each(['::1', 'fe80::1', '2001:db8::', 'my_host.example', '10.0.0.1', 'x'])('takes the host %s', (host) => {
    expect(validateTargets([{ ...good, host }], limits).accepted).toHaveLength(1);
  });

  it('takes the first of two with one name', () => {
    const { accepted, faults } = validateTargets([good, { ...good, port: 1 }], limits);
    expect(accepted).toEqual([good]);
    expect(faults[0]?.message).toContain('comes earlier');
  });

  it('takes no more than the agent may have', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => ({ ...good, name: `t${i}` }));
    const { accepted, faults } = validateTargets(many, limits);
    expect(accepted).toHaveLength(10);
    expect(faults[0]?.message).toContain('100000 targets, but this agent may have 10');
  });

  it('bounds the faults it reports and says how many it left out', () => {
    const { faults } = validateTargets(Array.from({ length: 500 }, () => 'x'), { maxTargets: 1000 });
    expect(faults).toHaveLength(MAX_FAULTS);
    expect(faults.at(-1)?.message).toBe(`and ${500 - MAX_FAULTS + 1} more faults`);
  });

  it.each([[undefined], [null], ['x'], [{}], [[null]], [[[]]], [[42]]])('never throws on %j', (input) => {
    expect(validateTargets(input, limits).accepted).toEqual([]);
  });
});
