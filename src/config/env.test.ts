import { describe, expect, it } from '@jest/globals';
import { readEnvironment } from './env.js';

describe('the environment', () => {
  it('may say nothing', () => {
    expect(readEnvironment({ HOME: '/x' })).toMatchObject({ ok: true, value: { logLevel: undefined, runtimeDir: undefined, envoyPath: undefined, path: [] } });
  });

  it('is read', () => {
    expect(
      readEnvironment({ SCRAPEWAY_LOG_LEVEL: 'debug', SCRAPEWAY_RUNTIME_DIR: '/run/x', ENVOY_BIN: '/opt/envoy', PATH: '/usr/bin:relative::/bin', XDG_CACHE_HOME: '/c', PROMETHEUS_BIN: '/p', NODE_EXPORTER_BIN: '' }),
    ).toEqual({
      ok: true,
      value: { logLevel: 'debug', runtimeDir: '/run/x', envoyPath: '/opt/envoy', path: ['/usr/bin', '/bin'], cacheDir: '/c/scrapeway', binaries: { prometheusBin: '/p', nodeExporterBin: undefined } },
    });
  });

  it('a variable that is empty is not set', () => {
    expect(readEnvironment({ SCRAPEWAY_LOG_LEVEL: '', SCRAPEWAY_RUNTIME_DIR: '' })).toMatchObject({ ok: true, value: { logLevel: undefined, runtimeDir: undefined } });
  });

  it('tells all faults, without the values', () => {
    const result = readEnvironment({ SCRAPEWAY_LOG_LEVEL: 'verbose', SCRAPEWAY_RUNTIME_DIR: 'run' });
    expect(result).toEqual({
      ok: false,
      error: [
        { place: 'environment variable SCRAPEWAY_LOG_LEVEL', message: 'must be one of trace, debug, info, warn, error, fatal, silent' },
        { place: 'environment variable SCRAPEWAY_RUNTIME_DIR', message: 'must be an absolute path' },
      ],
    });
  });

  it('what Kubernetes sets for a service named scrapeway does no harm', () => {
    expect(readEnvironment({ SCRAPEWAY_PORT: 'tcp://10.0.0.1:443', SCRAPEWAY_SERVICE_HOST: '10.0.0.1' }).ok).toBe(true);
  });
});
