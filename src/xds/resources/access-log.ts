/**
 * The audit line: one JSON object per request (and one more when a tunnel is up). Only chosen headers; never a credential,
 * and the path without its query, which may hold one.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AccessLogSchema } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { FileAccessLogSchema } from '../../gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { StdoutAccessLogSchema } from '../../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import type { SubstitutionFormatStringSchema } from '../../gen/envoy/config/core/v3/substitution_format_string_pb.js';
import { TOKEN_METADATA } from '../../model/token-metadata.js';
import { FILTER } from './names.js';
import { pack } from './pack.js';

function decided(key: string): string {
  return `%DYNAMIC_METADATA(${FILTER.extAuthz}:${key})%`;
}

const LINE = {
  time: '%START_TIME%',
  id: '%REQ(X-REQUEST-ID)%',
  listener: '%FILTER_CHAIN_NAME%',
  type: '%ACCESS_LOG_TYPE%',
  door: decided('door'),
  tenant: decided('tenant'),
  agent: decided('agent'),
  target: decided('target'),
  // Which member of a site has answered: the hub says so.
  member: '%RESP(X-SCRAPEWAY-MEMBER)%',
  decision: decided('decision'),
  rule: decided('rule'),
  auth: decided('auth'),
  credential: decided('credential'),
  // Of a token that was verified, whatever was decided then.
  subject: `%DYNAMIC_METADATA(${FILTER.jwtAuthn}:${TOKEN_METADATA.payload}:sub)%`,
  // The response header: it holds the reason whoever gave it (ext_authz, Envoy's mapper, hub, agent).
  reason: '%RESP(X-SCRAPEWAY-REASON)%',
  method: '%REQ(:METHOD)%',
  authority: '%REQ(:AUTHORITY)%',
  path: '%PATH(NQ)%',
  protocol: '%PROTOCOL%',
  status: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  details: '%RESPONSE_CODE_DETAILS%',
  bytes_in: '%BYTES_RECEIVED%',
  bytes_out: '%BYTES_SENT%',
  ms: '%DURATION%',
  ms_first_byte: '%RESPONSE_DURATION%',
  ms_authz: decided('ext_authz_duration'),
  upstream: '%UPSTREAM_HOST%',
  client: '%DOWNSTREAM_REMOTE_ADDRESS%',
  peer_uri: '%DOWNSTREAM_PEER_URI_SAN%',
  tls: '%DOWNSTREAM_TLS_VERSION%',
};

const format: MessageInitShape<typeof SubstitutionFormatStringSchema> = { format: { case: 'jsonFormat', value: LINE } };

/** A file; or Envoy's own stdout, which cannot be opened as a file where it is a socket (a child process of Node). */
export function accessLog(path: string): MessageInitShape<typeof AccessLogSchema>[] {
  const [name, config] =
    path === '/dev/stdout'
      ? ['envoy.access_loggers.stdout', pack(StdoutAccessLogSchema, { accessLogFormat: { case: 'logFormat', value: format } })]
      : ['envoy.access_loggers.file', pack(FileAccessLogSchema, { path, accessLogFormat: { case: 'logFormat', value: format } })];
  return [{ name, configType: { case: 'typedConfig', value: config } }];
}
