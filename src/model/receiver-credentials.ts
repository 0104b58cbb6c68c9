/** How an export shows a receiver who it is, where a header is not enough. */

/** Whose AWS signature (version 4) requests carry. */
export interface SigV4 {
  readonly region: string;
  /** `aps`: Amazon Managed Service for Prometheus. */
  readonly service: string;
  readonly credentials: ({ readonly kind: 'keys' } & AwsKeys) | ({ readonly kind: 'role' } & AwsRole);
}

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken: string | undefined;
}

/** Whose keys are asked for at STS. */
export interface AwsRole {
  readonly arn: string;
  /** Asked for by who lends the role to somebody else's account. Goes with keys only. */
  readonly externalId: string | undefined;
  readonly stsUrl: string;
  /** Who asks: somebody with keys, or whoever has the token in this file. */
  readonly by: ({ readonly kind: 'keys' } & AwsKeys) | { readonly kind: 'token'; readonly file: string };
}

/** Client credentials (RFC 6749 §4.4). */
export interface OAuth2Client {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}
