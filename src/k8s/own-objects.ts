import type { Logger } from '../lib/logger.js';
import { err } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { KubeApi } from '../kube/api.js';
import { AGENT, BACKEND, collectionPath, SECRET, TENANT } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import { keepObject } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import { listWatch } from '../kube/list-watch.js';
import type { ListWatch } from '../kube/list-watch.js';
import { keepSecret, secretText } from './secrets.js';
import type { SecretData } from './secrets.js';
import type { CompiledObject, Entry, OwnObject } from './store.js';
import { get } from '../kube/values.js';

/**
 * Tenants, Agents and Backends of one namespace, compiled with the Secrets that they refer to. An object is compiled again when it,
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
  readonly namespace: string;
  readonly compileEntry: CompileEntry;
  readonly onChange: () => void;
  readonly logger: Logger;
}

/** An object as an entry of the file; `secret` is called for each Secret that it refers to. */
export type CompileEntry = (entry: {
  readonly kind: Entry['kind'];
  readonly name: string;
  readonly spec: unknown;
  readonly secret: (name: string, key: string) => Result<string, string>;
  readonly nowMs: number;
}) => Promise<Result<CompiledObject>>;

const KINDS = [
  { kind: TENANT, list: 'tenants' },
  { kind: AGENT, list: 'agents' },
  { kind: BACKEND, list: 'backends' },
] as const;

interface Known {
  readonly compiled: Result<CompiledObject>;
  /** The Secrets that were asked for, as they were. */
  readonly secrets: ReadonlyMap<string, SecretData | undefined>;
}

export function watchOwnObjects({ api, namespace, compileEntry, onChange, logger }: OwnObjectsOptions): OwnObjects {
  const secrets = listWatch<SecretData>({ api, path: collectionPath(SECRET, namespace), keep: keepSecret, onChange, logger });
  const kinds = KINDS.map((each) => ({ ...each, objects: listWatch<KubeObject>({ api, path: collectionPath(each.kind, namespace), keep: keepObject, onChange, logger }) }));
  const known = new WeakMap<object, Known>();
  const secretNamed = (name: string): SecretData | undefined => secrets.items().get(`${namespace}/${name}`);

  async function compileOne(list: Entry['kind'], { ref, content }: KubeObject): Promise<Result<CompiledObject>> {
    const before = known.get(content);
    if (before !== undefined && [...before.secrets].every(([name, secret]) => secretNamed(name) === secret)) return before.compiled;
    const asked = new Map<string, SecretData | undefined>();
    const secret = (name: string, key: string): Result<string, string> => {
      asked.set(name, secretNamed(name));
      return secretText(secretNamed(name), key);
    };
    const compiled = await compileEntry({ kind: list, name: ref.name, spec: get(content, 'spec'), secret, nowMs: Date.now() }).catch((error: unknown) => {
      logger.error({ kind: list, ...ref, err: error }, 'an object could not be compiled');
      return err([{ place: 'spec', message: 'cannot be read by this version of the gateway' }]);
    });
    known.set(content, { compiled, secrets: asked });
    return compiled;
  }

  const watches: readonly { readonly path: string; readonly watch: Pick<ListWatch<object>, 'waitingFor' | 'close'> }[] = [
    { path: 'secrets', watch: secrets },
    ...kinds.map(({ kind, objects }) => ({ path: kind.plural, watch: objects })),
  ];
  return {
    waitingFor: () => watches.flatMap(({ path, watch }) => (watch.waitingFor() === undefined ? [] : [`${path} of ${namespace}: ${watch.waitingFor() ?? ''}`])),
    compile: async () => {
      const compiled: OwnObject[] = [];
      for (const { kind, list, objects } of kinds) for (const object of objects.items().values()) compiled.push({ kind, object, compiled: await compileOne(list, object) });
      return compiled;
    },
    counts: () => kinds.map(({ kind, objects }) => ({ kind, count: objects.items().size })),
    close: async () => {
      await Promise.all(watches.map(({ watch }) => watch.close()));
    },
  };
}
