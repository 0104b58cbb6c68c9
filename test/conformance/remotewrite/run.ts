/**
 * `node dist/test/conformance/remotewrite/run.js CHECKOUT [go test's arguments]`: the public suite for senders of remote write 2.0, from a
 * checkout of prometheus/compliance, with our exporter as the sender (sender-shim.ts). Needs Go. The suite's own files stay as they are,
 * but for the one that says how a sender is started.
 */
import { spawn } from 'node:child_process';
import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { nodeBinary, projectDir } from '../../support/project.js';
import { createTempDir } from '../../support/temp-dir.js';

/** The suite counts its time from when the sender runs; ours are two processes, of which one must have scraped. */
const TARGET = `package targets

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func RunPrometheus(opts TargetOptions) error {
	cmd := exec.Command(os.Getenv("SENDER_NODE"), os.Getenv("SENDER_SHIM"), opts.ScrapeTarget, opts.ReceiveEndpoint)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready := make(chan bool, 1)
	go func() { ready <- bufio.NewScanner(out).Scan() }()
	select {
	case ok := <-ready:
		if !ok {
			return errors.New("the sender ended: " + cmd.Wait().Error())
		}
		time.Sleep(opts.Timeout)
	case <-time.After(2 * time.Minute):
		err = errors.New("the sender did not start")
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	return err
}
`;

const [checkout, ...args] = process.argv.slice(2);
if (checkout === undefined) {
  process.stderr.write('usage: run.js CHECKOUT-OF-PROMETHEUS-COMPLIANCE [ARGUMENTS OF go test]\n');
  process.exit(2);
}
await using dir = await createTempDir();
await cp(path.join(checkout, 'remotewrite/sender'), dir.path, { recursive: true });
await writeFile(dir.join('targets/prometheus.go'), TARGET);
const child = spawn('go', ['test', '-count=1', '-v', '-timeout=60m', ...args, '.'], {
  cwd: dir.path,
  stdio: 'inherit',
  env: { ...process.env, SENDER_NODE: nodeBinary, SENDER_SHIM: path.join(projectDir, 'dist/test/conformance/remotewrite/sender-shim.js') },
});
process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
