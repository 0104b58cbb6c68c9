import type { Logger } from '../lib/logger.js';
import { err } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { KubeApi } from '../kube/api.js';
import { AGENT, BACKEND, BACKEND_GROUP, collectionPath, EXPORT_DESTINATION, FRONT_PROXY, PUSH_TARGET, REVOCATION, SITE, TARGET_TEMPLATE, TENANT, TOKEN_ISSUER } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import { keepObject } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import { listWatch } from '../kube/list-watch.js';
import type { ListWatch } from '../kube/list-watch.js';
import { secretText } from './secrets.js';
import type { SecretData } from './secrets.js';
import type { EntryKind } from '../model/entry.js';
import type { CompiledObject, OwnObject } from './store.js';
import type { WatchedSecrets } from './watched-secrets.js';
import { get } from '../kube/values.js';

/**
 * Objects of our own kinds, compiled with the Secrets of their own namespace that they refer to. An object is compiled again when it,
 * or a Secret that it has asked for, has changed, and only then.
 */
export interface OwnObjects {
  waitingFor(): readonly string[];
  /** All objects as they are now. */
  compile(): Promise<readonly OwnObject[]>;
  counts(): readonly { readonly kind: Kind; readonly count: number }[];
  close(): Promise<void>;
}

export interface OwnObjectsOptions {
  readonly api: KubeApi;
  /** Undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  readonly secrets: WatchedSecrets;
  readonly compileEntry: CompileEntry;
  readonly onChange: () => void;
  readonly logger: Logger;
}

/** An object as an entry of the file; `secret` is called for each Secret that it refers to. */
export type CompileEntry = (entry: {
  readonly kind: EntryKind;
  readonly name: string;
  readonly spec: unknown;
  readonly secret: (name: string, key: string) => Result<string, string>;
  readonly nowMs: number;
}) => Promise<Result<CompiledObject>>;

/** The file's key → the kind that says the same. */
export const OWN_KINDS: Readonly<Record<EntryKind, Kind>> = {
  tenants: TENANT,
  agents: AGENT,
  sites: SITE,
  templates: TARGET_TEMPLATE,
  issuers: TOKEN_ISSUER,
  backends: BACKEND,
  backendGroups: BACKEND_GROUP,
  pushTargets: PUSH_TARGET,
  exportDestinations: EXPORT_DESTINATION,
  frontProxies: FRONT_PROXY,
  revoked: REVOCATION,
};
const LISTS: readonly EntryKind[] = ['tenants', 'agents', 'sites', 'templates', 'issuers', 'backends', 'backendGroups', 'pushTargets', 'exportDestinations', 'frontProxies', 'revoked'];

interface Known {
  readonly compiled: Result<CompiledObject>;
  /** The Secrets that were asked for, as they were. */
  readonly secrets: ReadonlyMap<string, SecretData | string>;
}

interface Watch {
  readonly list: EntryKind;
  readonly what: string;
  readonly objects: ListWatch<KubeObject>;
}

export function watchOwnObjects({ api, namespaces, secrets, compileEntry, onChange, logger }: OwnObjectsOptions): OwnObjects {
  const watches = LISTS.flatMap((list) =>
    (namespaces ?? [undefined]).map((namespace): Watch => {
      const kind = OWN_KINDS[list];
      const what = namespace === undefined ? kind.plural : `${kind.plural} of ${namespace}`;
      return { list, what, objects: listWatch<KubeObject>({ api, path: collectionPath(kind, namespace), keep: keepObject, onChange, logger }) };
    }),
  );
  const known = new WeakMap<object, Known>();

  async function compileOne(list: EntryKind, { ref, content }: KubeObject): Promise<Result<CompiledObject>> {
    const look = (name: string): SecretData | string => secrets.look({ namespace: ref.namespace, name }, 'namespace');
    const before = known.get(content);
    if (before !== undefined && [...before.secrets].every(([name, secret]) => look(name) === secret)) return before.compiled;
    const asked = new Map<string, SecretData | string>();
    const secret = (name: string, key: string): Result<string, string> => {
      const found = look(name);
      asked.set(name, found);
      return secretText(found, key);
    };
    const compiled = await compileEntry({ kind: list, name: ref.name, spec: get(content, 'spec'), secret, nowMs: Date.now() }).catch((error: unknown) => {
      logger.error({ kind: list, ...ref, err: error }, 'an object could not be compiled');
      return err([{ place: 'spec', message: 'cannot be read by this version of the gateway' }]);
    });
    known.set(content, { compiled, secrets: asked });
    return compiled;
  }

  return {
    waitingFor: () => {
      const waiting = watches.flatMap(({ what, objects }) => (objects.waitingFor() === undefined ? [] : [`${what}: ${objects.waitingFor() ?? ''}`]));
      // After an upgrade the CRD of a new kind may not be applied yet, which must not hold up the others.
      const others = waiting.filter((what) => !NO_SUCH_KIND.test(what));
      return waiting.length === watches.length ? waiting : others;
    },
    compile: async () => {
      const compiled: OwnObject[] = [];
      for (const { list, objects } of watches) for (const object of objects.items().values()) compiled.push({ kind: OWN_KINDS[list], object, compiled: await compileOne(list, object) });
      return compiled;
    },
    counts: () => LISTS.map((list) => ({ kind: OWN_KINDS[list], count: watches.reduce((sum, watch) => sum + (watch.list === list ? watch.objects.items().size : 0), 0) })),
    close: async () => {
      await Promise.all(watches.map(({ objects }) => objects.close()));
    },
  };
}

const NO_SUCH_KIND = /: 404: /;
