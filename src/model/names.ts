/**
 * The names of things, the same rule wherever one is read: config, certificates, registrations, URLs.
 *
 * Lower case only and no character that a path, an authority or a header would treat specially, so that a name can be put
 * into each without escaping and compared byte for byte.
 */

/** Agents and tenants: one DNS label. No dots, since `<target>.<agent>.scrapeway` is split at the last one. */
const LABEL = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;
/** Targets: dots are allowed too (host names make good target names). */
const TARGET = /^[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?$/;

export const NAME_RULE = 'must be 1 to 63 of a-z, 0-9, "-", "_", starting and ending with a letter or digit';
export const TARGET_NAME_RULE = 'must be 1 to 128 of a-z, 0-9, ".", "-", "_", starting and ending with a letter or digit';

export function isName(value: string): boolean {
  return LABEL.test(value);
}

export function isTargetName(value: string): boolean {
  return TARGET.test(value) && !value.includes('..');
}

/** Pseudo top-level domain of the proxy door's unambiguous authorities: `<target>.<agent>.scrapeway`. */
export const PROXY_SUFFIX = '.scrapeway';

/** Prometheus label names (legacy charset, which every server version accepts). */
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function isLabelName(value: string): boolean {
  return LABEL_NAME.test(value);
}

const GATEWAY_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Gateways' ids stand in a header and in logs; host names are good ids. */
export function isGatewayId(value: string): boolean {
  return GATEWAY_ID.test(value);
}
