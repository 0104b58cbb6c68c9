import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

/** A target that costs next to nothing, a program: answers everything with the bytes of a file, gzip. Says its port. */

const bytes = readFileSync(process.argv[2] ?? '');
const server = createServer({ keepAliveTimeout: 120_000 }, (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'content-encoding': 'gzip', 'content-length': bytes.length });
  response.end(bytes);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`listening on port ${typeof address === 'object' ? address?.port : ''}\n`);
});
