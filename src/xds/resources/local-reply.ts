/**
 * Envoy's own failures → our closed list of reasons (src/model/reasons.ts; envoy.md §9). First match wins, so the table's
 * order is its meaning: refusals of ext_authz, then failures with a response flag, then what has nothing but a status.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ComparisonFilter_Op } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { AccessLogFilterSchema } from '../../gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { HeaderValueOption_HeaderAppendAction } from '../../gen/envoy/config/core/v3/base_pb.js';
import type {
  LocalReplyConfigSchema,
  ResponseMapperSchema,
} from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { REASONS, REASON_HEADER, reasonBody } from '../../model/reasons.js';
import type { Reason } from '../../model/reasons.js';
import { FILTER } from './names.js';

type Filter = MessageInitShape<typeof AccessLogFilterSchema>;
type Mapper = MessageInitShape<typeof ResponseMapperSchema>;

/** By Envoy's response flags. The status becomes the reason's own: UMSDR alone would say 408, UPE 502. */
const BY_FLAG: readonly (readonly [flags: readonly string[], reason: Reason])[] = [
  // Refusals carry UAEX as well, but those were caught before: what is left is a failure to ask or an unusable answer.
  [['UAEX'], 'authz_unavailable'],
  [['NR', 'NC'], 'no_route'],
  [['UT', 'DT', 'UMSDR'], 'deadline'],
  [['UF', 'UH'], 'hub_unreachable'],
  [['UO'], 'hub_overflow'],
  [['UC', 'UR', 'LR', 'UPE'], 'hub_reset'],
  [['OM'], 'gateway_overloaded'],
  [['SI'], 'idle'],
];

/** By status. 429 is here because local_ratelimit sets its flag RL only after the reply was made (envoy.md §12.3). */
const BY_STATUS: readonly Reason[] = ['rate_limited', 'bad_request', 'bad_token', 'not_offered'];

/** `runtime_key` is demanded by the validation rules; it is never set. */
function status(op: ComparisonFilter_Op, code: number): Filter {
  return {
    filterSpecifier: {
      case: 'statusCodeFilter',
      value: { comparison: { op, value: { defaultValue: code, runtimeKey: 'scrapeway.none' } } },
    },
  };
}

/** ADD_IF_ABSENT: a reason that was given nearer to the fault stays. */
function reasonHeader(reason: Reason): NonNullable<Mapper['headersToAdd']> {
  return [{ header: { key: REASON_HEADER, value: reason }, appendAction: HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT }];
}

function body(reason: Reason): Mapper['body'] {
  return { specifier: { case: 'inlineString', value: reasonBody(reason) } };
}

/** ext_authz said no (`decision=deny` in its metadata): its status, headers and body go out untouched. */
const refusal: Mapper = {
  filter: {
    filterSpecifier: {
      case: 'metadataFilter',
      value: {
        matcher: {
          filter: FILTER.extAuthz,
          path: [{ segment: { case: 'key', value: 'decision' } }],
          value: { matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'exact', value: 'deny' } } } },
        },
        // The default is true, and would match every reply to a request that ext_authz never saw.
        matchIfKeyNotFound: false,
      },
    },
  },
};

function byFlag(flags: readonly string[], reason: Reason): Mapper {
  return {
    filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: [...flags] } } },
    statusCode: REASONS[reason].status,
    headersToAdd: reasonHeader(reason),
    body: body(reason),
  };
}

function byStatus(reason: Reason): Mapper {
  return { filter: status(ComparisonFilter_Op.EQ, REASONS[reason].status), headersToAdd: reasonHeader(reason), body: body(reason) };
}

/** Whatever else Envoy itself refuses (431, 413, …): a reason, with Envoy's own status and body. */
const rest: Mapper = { filter: status(ComparisonFilter_Op.GE, 400), headersToAdd: reasonHeader('gateway_error') };

/** For the gateway's own requests: a header by which Envoy's word is told from the server's, with the flags first. */
export function envoysOwnWord(header: string): MessageInitShape<typeof LocalReplyConfigSchema> {
  const value = '%RESPONSE_FLAGS% %UPSTREAM_HOST% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%';
  return { mappers: [{ filter: status(ComparisonFilter_Op.GE, 100), headersToAdd: [{ header: { key: header, value }, appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD }] }] };
}

export function localReply(): MessageInitShape<typeof LocalReplyConfigSchema> {
  return { mappers: [refusal, ...BY_FLAG.map(([flags, reason]) => byFlag(flags, reason)), ...BY_STATUS.map(byStatus), rest] };
}
