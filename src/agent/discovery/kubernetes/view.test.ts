import { describe, expect, it } from '@jest/globals';
import type { AttachMetadata } from '../../../model/agent-settings.js';
import { endpointsTargets } from './endpoints.js';
import type { KindName, KindObjects } from './kinds.js';
import type { Lookup } from './labels.js';
import { readEndpoints, readPod, readService } from './objects.js';
import { podTargets } from './pod.js';
import { remembering } from './view.js';

const NOTHING: AttachMetadata = { node: false, namespace: false, deployment: false, job: false, cronjob: false };
const pod = (phase: string): KindObjects['pod'] => readPod({ metadata: { namespace: 'a', name: 'web' }, spec: { containers: [{ name: 'main', ports: [{ containerPort: 80 }] }] }, status: { podIP: '10.0.0.1', phase } });

/** What is there can be changed. */
function world(): { readonly lookup: Lookup; readonly objects: { [K in KindName]?: Map<string, KindObjects[K]> } } {
  const objects: { [K in KindName]?: Map<string, KindObjects[K]> } = {};
  return { objects, lookup: { attach: NOTHING, find: (kind, key) => objects[kind]?.get(key) } };
}

describe('the targets of an object', () => {
  it('are the same, by identity, for as long as nothing that they are made of changes', () => {
    const { lookup, objects } = world();
    objects.pod = new Map([['a/web', pod('Running')]]);
    const targetsOf = remembering(endpointsTargets, lookup);
    const endpoints = readEndpoints({ metadata: { namespace: 'a', name: 'web' }, subsets: [{ addresses: [{ ip: '10.0.0.1', targetRef: { kind: 'Pod', namespace: 'a', name: 'web' } }], ports: [{ port: 80 }] }] });
    const first = targetsOf(endpoints);
    expect(targetsOf(endpoints)).toBe(first);
    objects.pod.set('a/other', pod('Running'));
    expect(targetsOf(endpoints)).toBe(first);
    objects.pod.set('a/web', pod('Failed'));
    const second = targetsOf(endpoints);
    expect([first[0]?.get('__meta_kubernetes_pod_phase'), second[0]?.get('__meta_kubernetes_pod_phase')]).toEqual(['Running', 'Failed']);
    // what was not there when it was looked for counts too
    objects.service = new Map([['a/web', readService({ metadata: { namespace: 'a', name: 'web' } })]]);
    expect(targetsOf(endpoints)[0]?.get('__meta_kubernetes_service_name')).toBe('web');
  });
});

describe('an object that is not what it should be', () => {
  it.each([[null], ['text'], [{}], [{ metadata: 5, spec: { containers: 'x' }, status: { podIP: 7 } }], [{ status: { podIP: '10.0.0.1' }, spec: { containers: [null, 5, { ports: [null] }] } }]])('%j is read without harm', (object) => {
    expect(() => podTargets(readPod(object), world().lookup)).not.toThrow();
  });
});
