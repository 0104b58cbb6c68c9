/**
 * A cluster's API server, for whatever asks it: how it is reached, and what of its word counts. Plain data, as all of the model;
 * `kube/kube-config.ts` makes a client's configuration of it.
 */
export type KubernetesAccess =
  /** As a pod of the cluster, by its service account. */
  | { readonly kind: 'in-cluster' }
  | {
      readonly kind: 'kubeconfig';
      /** Absolute. */
      readonly file: string;
      /** Undefined = the file's current one. */
      readonly context: string | undefined;
    }
  | {
      readonly kind: 'server';
      /** `https://host:port` */
      readonly url: string;
      /** Undefined = the public CAs. */
      readonly caPem: string | undefined;
      /** Absolute; read again as it rotates. */
      readonly tokenFile: string;
    };

/** Tokens of service accounts as credentials: the API server says whose one is (TokenReview). */
export interface TokenReviewSpec {
  readonly access: KubernetesAccess;
  /** A token must be for one of these, or it was meant for somebody else. */
  readonly audiences: readonly string[];
  /** How long the API server's yes counts, and so how long a deleted service account may still come; ms. */
  readonly cacheMs: number;
  /** Bound of one review, ms. */
  readonly timeoutMs: number;
}

/** What the API server says of a token. */
export type TokenVerdict =
  | { readonly kind: 'account'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'refused'; readonly why: string }
  /** It said nothing: not reached, too late, or it does not let us ask. */
  | { readonly kind: 'away'; readonly why: string };

/** Never rejects. */
export type ReviewToken = (token: string) => Promise<TokenVerdict>;

export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

export interface SecretKey extends SecretName {
  readonly key: string;
}

/** What of a door stands in Secrets of the cluster. Without a namespace: the gateway's own. */
export interface FromSecrets {
  /** kubernetes.io/tls. Undefined: it is there already. */
  readonly certificate: { readonly name: string; readonly namespace: string | undefined } | undefined;
  /** Beside those that are there already. */
  readonly clientCas: readonly { readonly name: string; readonly namespace: string | undefined; readonly key: string }[];
}

/** A door. */
export interface MayBeFromSecrets {
  /** What the cluster has of it; whoever reads that puts it in place. */
  readonly fromSecrets?: FromSecrets;
  /** What it needs of Secrets has never been there: nobody may come in. */
  readonly isClosed?: boolean;
}
