import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { RequestListener } from 'node:http';
import { Provider } from 'oidc-provider';
import type { Adapter, Configuration } from 'oidc-provider';
import { readPair } from './certificates.js';
import type { CertificateFiles } from './certificates.js';
import { fetchRaw } from './http.js';
import { portOf } from './ports.js';

/**
 * A real OpenID provider on a real port, with TLS. Its clients get JWTs by the client credentials grant; its keys can be
 * changed, it can be away, and tests can sign with its key what no provider would.
 */

export interface OidcClient {
  readonly id: string;
  readonly secret: string;
  /** Put into the client's tokens. */
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface OidcOptions {
  readonly certificate: CertificateFiles;
  readonly ca: Buffer;
  /** What a token may be for (RFC 8707). */
  readonly audiences: readonly string[];
  readonly clients: readonly OidcClient[];
}

export interface RunningOidcProvider extends AsyncDisposable {
  /** `iss` of its tokens. */
  readonly issuer: string;
  readonly jwksUri: string;
  readonly tokenUri: string;
  /** A token, by the client credentials grant. */
  token(client: string, audience: string): Promise<string>;
  /** A JWT with the provider's own key, of the provider unless `claims` says otherwise. */
  forge(claims: Readonly<Record<string, unknown>>): string;
  /** New keys from now on; the old ones are gone. */
  rotate(): void;
  /** Every request fails from now on, or no more. */
  setAway(away: boolean): void;
  /** How often the keys were asked for. */
  readonly keyRequests: number;
}

interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
}

export async function startOidcProvider(options: OidcOptions): Promise<RunningOidcProvider> {
  let handle: RequestListener = (_request, response) => response.writeHead(503).end();
  let [isAway, keyRequests, generation] = [false, 0, 0];
  const server = createServer(await readPair(options.certificate), (request, response) => {
    if (request.url === '/jwks') keyRequests += 1;
    if (isAway) response.writeHead(503).end();
    else handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `https://localhost:${portOf(server)}`;
  let signing = newKey('key-0');

  function publish(): void {
    handle = new Provider(issuer, configuration(options, signing)).callback();
  }
  publish();

  async function token(client: string, audience: string): Promise<string> {
    const secret = options.clients.find(({ id }) => id === client)?.secret ?? '';
    const answer = await fetchRaw({
      url: `${issuer}/token`,
      method: 'POST',
      tls: { ca: options.ca, servername: 'localhost' },
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }).toString(),
    });
    if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.body.toString()}`);
    const granted: { readonly access_token: string } = JSON.parse(answer.body.toString());
    return granted.access_token;
  }

  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    tokenUri: `${issuer}/token`,
    token,
    forge: (claims) => signedJwt(signing, { iss: issuer, ...claims }),
    rotate() {
      generation += 1;
      signing = newKey(`key-${generation}`);
      publish();
    },
    setAway(away) {
      isAway = away;
    },
    get keyRequests() {
      return keyRequests;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function newKey(kid: string): SigningKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, key: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}

const TOKEN_S = 600;

/** Clients are in the configuration, and a JWT is kept by who has it. */
class NothingStored implements Adapter {
  upsert = nothing;
  find = nothing;
  findByUserCode = nothing;
  findByUid = nothing;
  consume = nothing;
  destroy = nothing;
  revokeByGrantId = nothing;
}

async function nothing(): Promise<undefined> {
  return undefined;
}

function configuration({ audiences, clients }: OidcOptions, { kid, key }: SigningKey): Configuration {
  return {
    clients: clients.map(({ id, secret }) => ({ client_id: id, client_secret: secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] })),
    adapter: NothingStored,
    ttl: { ClientCredentials: TOKEN_S },
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
    extraTokenClaims: (_context, token) => ({ ...clients.find(({ id }) => id === token.clientId)?.claims }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => {
          if (!audiences.includes(resource)) throw new Error('an unknown resource');
          return { scope: '', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: TOKEN_S, jwt: { sign: { alg: 'RS256' } } };
        },
      },
    },
  };
}

function signedJwt({ kid, key }: SigningKey, claims: Readonly<Record<string, unknown>>): string {
  const signed = `${base64url({ alg: 'RS256', typ: 'JWT', kid })}.${base64url(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

/** A part of a JWT. */
export function base64url(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url');
}
