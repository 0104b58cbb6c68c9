import { request } from 'node:http';
import { join } from 'node:path';
import { statusText } from '../xds/status-text.js';
import type { XdsStatusReport } from '../xds/status-report.js';
import { complain, parseCommandLine, print, UsageError } from './command.js';
import type { Command } from './command.js';

/** Where the control thread's api.sock serves the report. */
export const XDS_STATUS_PATH = '/-/xds';

const TIMEOUT_MS = 5_000;

/** What the gateway on this machine wants its Envoys to have, and what they have. */
export const xdsCommand: Command = {
  name: 'xds',
  usage: 'xds status --runtime-dir DIR [--json]',
  summary: 'Show what each connected Envoy was sent, took and refused, and why',
  run: async (argv) => {
    const { values, positionals } = parseCommandLine(argv, { 'runtime-dir': { type: 'string' }, json: { type: 'boolean', default: false } });
    if (positionals.join(' ') !== 'status') throw new UsageError('the only thing to ask for is "status"');
    const dir = values['runtime-dir'];
    if (dir === undefined) throw new UsageError('name the gateway by its --runtime-dir');
    let body: string;
    try {
      body = await get(join(dir, 'api.sock'), XDS_STATUS_PATH);
    } catch (error) {
      complain(`no gateway answers on ${join(dir, 'api.sock')}: ${error instanceof Error ? error.message : String(error)}`);
      return 1;
    }
    const report: XdsStatusReport = JSON.parse(body);
    print(values.json ? JSON.stringify(report, null, 2) : statusText(report));
    return report.envoys.every(({ types }) => types.every(({ current }) => current)) ? 0 : 1;
  },
};

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: TIMEOUT_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(`status ${response.statusCode}`))));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end();
  });
}
