import { execFile } from 'node:child_process';
import { binary } from './binaries.js';
import { fetchRaw } from './http.js';

/** What `promtool check metrics` says of a process's `/metrics`; '' where it has nothing to say. */
export async function checkMetrics(statusUrl: string): Promise<string> {
  const { body } = await fetchRaw({ url: `${statusUrl}/metrics` });
  return promtool(['check', 'metrics'], body);
}

/** Runs promtool; its complaints, '' when it has none. */
export async function promtool(args: readonly string[], input?: Buffer): Promise<string> {
  const command = await binary('promtool');
  return new Promise((resolve) => {
    const child = execFile(command, [...args], { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve(error === null && stderr === '' ? '' : `${stdout}${stderr}${error?.message ?? ''}`);
    });
    child.stdin?.end(input);
  });
}
