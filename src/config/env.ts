import { homedir } from 'node:os';
import path from 'node:path';
import type { Fault } from '../lib/result.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { EgressProxy } from '../model/agent-settings.js';
import type { FileLogLevel } from './gateway-file.js';
import { parseProxyUrl } from './proxy-url.js';

/**
 * The environment: a few settings that a machine, not a configuration, decides. The only reader of `process.env`.
 *
 * Other variables that start with SCRAPEWAY_ are left alone: Kubernetes sets such ones for a service named "scrapeway".
 */
export interface Environment {
  /** SCRAPEWAY_LOG_LEVEL; goes before `log.level`. */
  readonly logLevel: FileLogLevel | undefined;
  /** SCRAPEWAY_RUNTIME_DIR, absolute; goes before `runtimeDir`. */
  readonly runtimeDir: string | undefined;
  /** ENVOY_BIN; goes before `envoy.path`. */
  readonly envoyPath: string | undefined;
  /** PATH, split. */
  readonly path: readonly string[];
  /** Where set-up puts binaries: XDG_CACHE_HOME or its default, and our folder. */
  readonly cacheDir: string;
  /** HTTPS_PROXY and NO_PROXY, or the same in lower case: the agent's way out where its file has no `proxy`. */
  readonly proxy?: { readonly proxy: EgressProxy; readonly noProxy: readonly string[] };
  /** PROMETHEUS_BIN and NODE_EXPORTER_BIN, which the quick start runs beside ourselves. */
  readonly binaries: { readonly prometheusBin: string | undefined; readonly nodeExporterBin: string | undefined };
}

const LOG_LEVELS: readonly FileLogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** A variable that is set but empty counts as not set. */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): Result<Environment> {
  const faults: Fault[] = [];
  const value = (name: string): string | undefined => (variables[name] === '' ? undefined : variables[name]);

  const levelText = value('SCRAPEWAY_LOG_LEVEL');
  const logLevel = LOG_LEVELS.find((level) => level === levelText);
  if (levelText !== undefined && logLevel === undefined) faults.push({ place: 'environment variable SCRAPEWAY_LOG_LEVEL', message: `must be one of ${LOG_LEVELS.join(', ')}` });

  const runtimeDir = value('SCRAPEWAY_RUNTIME_DIR');
  if (runtimeDir !== undefined && !path.isAbsolute(runtimeDir)) faults.push({ place: 'environment variable SCRAPEWAY_RUNTIME_DIR', message: 'must be an absolute path' });

  const proxyText = value('HTTPS_PROXY') ?? value('https_proxy');
  const proxy = proxyText === undefined ? undefined : parseProxyUrl(proxyText);
  if (proxyText !== undefined && proxy === undefined) faults.push({ place: 'environment variable HTTPS_PROXY', message: 'must be a URL such as http://proxy.example:3128' });
  const noProxy = (value('NO_PROXY') ?? value('no_proxy') ?? '').split(',').map((rule) => rule.trim()).filter((rule) => rule !== '');

  return faults.length > 0 ? err(faults) : ok({
        logLevel,
        runtimeDir,
        envoyPath: value('ENVOY_BIN'),
        path: (value('PATH') ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder)),
        cacheDir: path.join(value('XDG_CACHE_HOME') ?? path.join(homedir(), '.cache'), 'scrapeway'),
        ...(proxy && { proxy: { proxy, noProxy } }),
        binaries: { prometheusBin: value('PROMETHEUS_BIN'), nodeExporterBin: value('NODE_EXPORTER_BIN') },
      });
}
