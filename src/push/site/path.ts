import type { PushTarget } from '../../model/desired-state.js';

/**
 * The paths that jobs know by heart. Whoever has pushed to a Pushgateway so far changes the address and the credentials and nothing else, as
 * long as it is clear which target is meant: the tenant has one of the kind.
 */

/** The door's own path, `/push/<target>/…`; undefined: the request's path stands for no target of these. */
export function doorPath(url: string, targets: readonly PushTarget[]): string | undefined {
  const [path = ''] = url.split('?', 1);
  if (path.startsWith('/push/')) return path;
  const kind = kindOf(path);
  const [target, ...others] = targets.filter((each) => each.kind === kind);
  return target === undefined || others.length > 0 ? undefined : `/push/${target.name}${path}`;
}

function kindOf(path: string): PushTarget['kind'] | undefined {
  if (path.startsWith('/metrics/')) return 'pushgateway';
  return path === '/api/v1/write' ? 'remote_write' : undefined;
}
