import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startAlertmanager } from '../../support/alertmanager.js';
import { eventually } from '../../support/eventually.js';
import { fetchRaw } from '../../support/http.js';
import type { RunningServer } from '../../support/push-servers.js';
import { queryState, startQueryDoor } from '../../support/query-door.js';
import type { QueryDoor } from '../../support/query-door.js';

/**
 * An Alertmanager of everybody's, attacked by a tenant with `ns="a"`: nothing of another's is told, no alert of another's is silenced, and no silence of another's
 * is changed.
 */

const stack = new AsyncDisposableStack();
let alertmanager: RunningServer;
let door: QueryDoor;
const silences = { theirs: '', wide: '' };

const HOUR_MS = 3_600_000;
const CANARY = /canary/i;
const equal = (name: string, value: unknown): object => ({ name, value, isRegex: false, isEqual: true });
const regex = (name: string, value: string, isEqual = true): object => ({ name, value, isRegex: true, isEqual });

function silence(matchers: unknown, more: object = {}): object {
  return { matchers, startsAt: new Date(), endsAt: new Date(Date.now() + HOUR_MS), createdBy: 'me', comment: 'why', ...more };
}

async function direct(path: string, body?: unknown): Promise<unknown> {
  const answer = await fetchRaw({ url: `${alertmanager.url}${path}`, headers: { 'content-type': 'application/json' }, ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }) });
  return answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString());
}

function idOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'silenceID' in value ? String(value.silenceID) : '';
}

beforeAll(async () => {
  alertmanager = stack.use(
    await startAlertmanager({
      route: { receiver: 'canary-receiver', group_by: ['alertname'], group_wait: '1ms', routes: [{ receiver: 'team-a', matchers: ['ns="a"'], group_by: ['alertname'], group_wait: '1ms' }] },
      receivers: [{ name: 'canary-receiver' }, { name: 'team-a' }],
      inhibit_rules: [{ source_matchers: ['alertname="Node"'], target_matchers: ['alertname="Slow"'] }],
    }),
  );
  const alerts = [{ alertname: 'Slow', ns: 'a' }, { alertname: 'Down', ns: 'b', token: 'canary' }, { alertname: 'Node', host: 'canary-host' }, { alertname: 'Both', ns: 'a|b', token: 'canary' }];
  await direct('/api/v2/alerts', alerts.map((labels) => ({ labels, annotations: { summary: labels.ns === 'a' ? 'mine' : 'canary' }, generatorURL: 'http://prometheus/graph', endsAt: new Date(Date.now() + HOUR_MS) })));
  silences.theirs = idOf(await direct('/api/v2/silences', silence([equal('ns', 'b'), equal('alertname', 'NoSuch')], { comment: 'canary' })));
  silences.wide = idOf(await direct('/api/v2/silences', silence([equal('alertname', 'Slow')], { comment: 'canary' })));
  await eventually(async () => expect(await direct('/api/v2/alerts/groups')).toHaveLength(4));
  door = stack.use(await startQueryDoor(queryState([{ name: 'alerts', url: alertmanager.url, api: 'alertmanager' }], [{ name: 'a', query: [{ backends: undefined, metrics: ['.*'], labels: { ns: 'a' } }] }])));
});
afterAll(async () => {
  await stack.disposeAsync();
});

/** Status, head and body, as text. */
async function attack(method: string, path: string, body?: string | Buffer, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await door.ask('a', `/query/alerts${path}`, { method, headers: { ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }), ...headers }, ...(body !== undefined && { body }) });
  return [answer.status, ...answer.rawHeaders, answer.body.toString()].join('\n');
}

/** Alerts of others are as they were, and so are the silences. */
async function expectNothingChanged(): Promise<void> {
  const others = await direct(`/api/v2/alerts?filter=${encodeURIComponent('ns!="a"')}`);
  expect(Array.isArray(others) ? others.map(({ status }: { readonly status: { readonly state: string } }) => status.state) : others).toEqual(['active', 'active', 'active']);
  for (const id of Object.values(silences)) expect(await direct(`/api/v2/silence/${id}`)).toMatchObject({ status: { state: 'active' }, comment: 'canary' });
}

const FILTERS = ['ns="b"', 'ns=~".*"', 'ns!="a"', 'alertname="Down"', '{ns="b"}', 'ns="a",ns="b"', 'ns="a"} or {ns="b"', '"ns"="b"', 'ns=', '', '{}', 'token!=""', "ns='b'", 'ns="a\\",ns="b"'];
const READS: readonly string[] = [
  ...FILTERS.flatMap((filter) => ['/api/v2/alerts', '/api/v2/alerts/groups', '/api/v2/silences'].map((path) => `${path}?filter=${encodeURIComponent(filter)}`)),
  '/api/v2/alerts?filter=ns%3D%22a%22&filter=ns%3D%22b%22', '/api/v2/alerts?receiver=canary.*', '/api/v2/alerts?receiver=.*', '/api/v2/alerts?silenced=true&inhibited=true&active=false', '/api/v2/alerts?active=x', '/api/v2/alerts?filter[]=ns=b', '/api/v2/alerts/groups?receiver=.*', '/api/v2/alerts/groups?muted=true', '/api/v2/receivers', '/api/v2/receivers?x=1', '/api/v2/status', '/api/v2/status/', '/api/v1/status', '/api/v1/alerts', '/api/v2/openapi.yaml', '/metrics', '/debug/pprof/', '/-/reload', '/#/alerts', '/api/v2/silence/', '/api/v2/silence/..', '/api/v2/silence/%2e%2e%2fstatus', '/api/v2/silence/..%2Fsilences',
  '/api/v2/silence/THEIRS', '/api/v2/silence/WIDE', '/api/v2/silence/THEIRS/', '/api/v2/silence/THEIRS?x=1', '/api/v2/silence/THEIRS%20', '/api/v2/silence/THEIRS%00', '/api/v2/silence/THEIRS%3Fx', '/api/v2/silence/THEIRS%23', '/api/v2/silence//THEIRS', '/api/v2/silence/./THEIRS', '/api/v2/silence/WIDE,THEIRS', '/api/v2/silence/%7BTHEIRS%7D', '/api/v2/silence/urn:uuid:THEIRS',
];

const named = (text: string): string => text.replaceAll('THEIRS', silences.theirs).replaceAll('WIDE', silences.wide);

describe('reading', () => {
  it.each(READS)('%s', async (path) => {
    expect(await attack('GET', named(path))).not.toMatch(CANARY);
    await expectNothingChanged();
  });
});

describe('ending silences', () => {
  it.each(READS.filter((path) => path.includes('/silence/')))('%s', async (path) => {
    expect(await attack('DELETE', named(path))).not.toMatch(CANARY);
    expect(await attack('DELETE', named(path).toUpperCase().replace('/API/V2/SILENCE', '/api/v2/silence'))).not.toMatch(CANARY);
    await expectNothingChanged();
  });
});

const own = equal('ns', 'a');
const down = equal('alertname', 'Down');
const SILENCES: readonly (readonly [string, unknown])[] = [
  ['of another', silence([equal('ns', 'b'), down])], ['of all', silence([regex('ns', '.*'), regex('alertname', '.*')])], ['of one without the label', silence([equal('ns', ''), down])], ['whose own matcher is not equal', silence([{ name: 'ns', value: 'a', isRegex: false, isEqual: false }, down])], ['whose own matcher is a regex of several', silence([regex('ns', 'a|b'), down])], ['whose own matcher is an anchor', silence([regex('ns', 'a|^b$'), down])], ['with the own matcher and another of the label', silence([own, equal('ns', 'b')])],
  ['that is not a list', silence({ 0: own, length: 1 })], ['of nothing', silence([])], ['without matchers', silence(undefined)], ['with a name that is not text', silence([{ name: ['ns'], value: 'b', isRegex: false, isEqual: true }])], ['with a value that is not text', silence([equal('ns', { toString: 'b' }), down])], ['with a value that is a list', silence([equal('ns', ['a', 'b']), down])], ['with a regex flag that is text', silence([{ name: 'ns', value: '.*', isRegex: 'true', isEqual: true }, down])], ['with an equal flag that is a number', silence([{ name: 'ns', value: 'b', isRegex: false, isEqual: 0 }, down])], ['with null flags', silence([{ name: 'ns', value: 'b', isRegex: null, isEqual: null }, down])],
  ['in a list', [silence([down])]], ['that is null', null], ['that is text', 'silence'], ['with the id of another', silence([own, down], { id: 'THEIRS' })], ['with the id of a wide one', silence([own, equal('alertname', 'Slow')], { id: 'WIDE' })], ['with an id in upper case', silence([own, down], { id: 'THEIRS-UPPER' })], ['with an id in braces', silence([own, down], { id: '{THEIRS}' })], ['with an id that is a path', silence([own, down], { id: '../silences' })], ['with an id that is a list', silence([own, down], { id: ['THEIRS'] })], ['with a second ID', silence([own, down], { ID: 'THEIRS', Id: 'THEIRS' })],
  ['with a status of its own', silence([own, down], { status: { state: 'active' }, updatedAt: 'now' })], ['of a name with a line break', silence([equal('ns\n', 'a'), down])], ['of a name that looks alike', silence([equal('nѕ', 'a'), down])], ['of a name in upper case', silence([equal('NS', 'a'), down])], ['of a name with a zero', silence([equal('ns\0', 'a'), down])], ['by the prototype', silence([{ ['__proto__']: { name: 'ns', value: 'b' } }])], ['with a regex that is none', silence([regex('ns', '('), down])], ['with a regex of another dialect', silence([regex('ns', '(?=a).*'), down])], ['of the series’ own label', silence([equal('__name__', 'ALERTS'), equal('alertstate', 'firing')])],
];

describe('making silences', () => {
  it.each(SILENCES)('%s', async (_title, body) => {
    const text = JSON.stringify(body).replaceAll('THEIRS-UPPER', silences.theirs.toUpperCase()).replaceAll('THEIRS', silences.theirs).replaceAll('WIDE', silences.wide);
    expect(await attack('POST', '/api/v2/silences', text)).not.toMatch(CANARY);
    await expectNothingChanged();
  });

  it.each([
    ['matchers twice', '{"matchers":[{"name":"ns","value":"a","isRegex":false,"isEqual":true},{"name":"alertname","value":"x","isRegex":false}],"matchers":[{"name":"alertname","value":"Down","isRegex":false}],"startsAt":"START","endsAt":"END","createdBy":"me","comment":"why"}', {}],
    ['a key in another case', '{"Matchers":[{"name":"alertname","value":"Down","isRegex":false}],"matchers":[{"name":"ns","value":"a","isRegex":false},{"name":"alertname","value":"x","isRegex":false}],"startsAt":"START","endsAt":"END","createdBy":"me","comment":"why"}', {}],
    ['a value twice in one matcher', '{"matchers":[{"name":"ns","value":"b","value":"a","VALUE":"b","isRegex":false},{"name":"alertname","value":"Down","isRegex":false}],"startsAt":"START","endsAt":"END","createdBy":"me","comment":"why"}', {}],
    ['two documents', '{"matchers":[]}{"matchers":[{"name":"alertname","value":"Down","isRegex":false}]}', {}],
    ['comments', '/* */{"matchers":[{"name":"alertname","value":"Down","isRegex":false}]}', {}],
    ['a byte order mark', '\ufeff{"matchers":[{"name":"alertname","value":"Down","isRegex":false}],"startsAt":"START","endsAt":"END","createdBy":"me","comment":"why"}', {}],
    ['another type of body', '{"matchers":[{"name":"alertname","value":"Down","isRegex":false}]}', { 'content-type': 'text/plain' }],
    ['an encoding', '{"matchers":[{"name":"alertname","value":"Down","isRegex":false}]}', { 'content-encoding': 'gzip' }],
    ['a method in a header', '{"matchers":[{"name":"alertname","value":"Down","isRegex":false}]}', { 'x-http-method-override': 'DELETE' }],
  ])('as JSON that readers read differently: %s', async (_title, body, headers) => {
    const text = body.replaceAll('START', new Date().toISOString()).replaceAll('END', new Date(Date.now() + HOUR_MS).toISOString());
    expect(await attack('POST', '/api/v2/silences', text, headers)).not.toMatch(CANARY);
    await expectNothingChanged();
  });

  it.each(['/api/v2/alerts', '/api/v1/alerts', '/api/v2/silence/THEIRS', '/-/reload', '/-/quit', '/api/v2/silences/', '/api/v2//silences'])('POST %s', async (path) => {
    expect(await attack('POST', named(path), JSON.stringify([{ labels: { alertname: 'Down', ns: 'b' }, endsAt: new Date(0) }]))).not.toMatch(CANARY);
    await expectNothingChanged();
  });
});

it('the tenant sees its own alert, silenced by what is not its own to see', async () => {
  expect(await attack('GET', '/api/v2/alerts')).toContain('"Slow"');
});
