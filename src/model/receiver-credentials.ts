/** How an export shows a receiver who it is, where a header is not enough. */

/** Whose AWS signature (version 4) requests carry. */
export interface SigV4 {
  readonly region: string;
  /** `aps`: Amazon Managed Service for Prometheus. */
  readonly service: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken: string | undefined;
}

/** Client credentials (RFC 6749 §4.4). */
export interface OAuth2Client {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}
