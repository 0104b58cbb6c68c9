/** One target for each path of each rule of an ingress: for a probe. Pure. */
import type { Labels } from '../../../relabel/relabel.js';
import { labelSet, metaLabels, namespaceLabels } from './labels.js';
import type { Lookup } from './labels.js';
import type { Ingress } from './objects.js';

export function ingressTargets({ meta, className, tlsHosts, rules }: Ingress, lookup: Lookup): readonly Labels[] {
  const group = { namespace: meta.namespace, ...(className !== undefined && { ingress_class_name: className }), ...metaLabels('ingress', meta), ...namespaceLabels(meta, lookup) };
  return rules.flatMap(({ host, paths = ['/'] }) => {
    const scheme = tlsHosts.some((pattern) => matches(pattern, host)) ? 'https' : 'http';
    return paths.map((path) => labelSet(host, group, { ingress_scheme: scheme, ingress_host: host, ingress_path: path === '' ? '/' : path }));
  });
}

/** `*` stands for one part, the first. */
function matches(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const [first, ...rest] = pattern.split('.');
  const [, ...others] = host.split('.');
  return first === '*' && rest.join('.') === others.join('.') && rest.length === others.length;
}
