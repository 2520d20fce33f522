// Preloaded into the vendor's client, whose addresses are compiled in: what it would send to the API goes
// to SIMULATOR, after a line about it in the file REQUESTS. It reaches nobody else.
import { appendFileSync } from 'node:fs';
import { File } from 'node:buffer';

// Node 18 has it, but not as a global; the client's HTTP library asks for it when it loads.
globalThis.File ??= File;

const { SIMULATOR, REQUESTS } = process.env;
const send = globalThis.fetch;

globalThis.fetch = async (target, options = {}) => {
  const url = String(target?.url ?? target).replace('https://api.atlascloud.ai', SIMULATOR);
  const { method = 'GET', headers, body } = options;
  const form = body instanceof FormData;
  const request = {
    method,
    path: url.replace(SIMULATOR, ''),
    key: new Headers(headers).has('authorization'),
    body: form ? [...body].map(([name, part]) => [name, part.name, part.type]) : (body ?? null),
  };
  appendFileSync(REQUESTS, `${JSON.stringify(request)}\n`);
  if (!url.startsWith(`${SIMULATOR}/`)) {
    throw new Error(`the suite lets nothing go to ${url}`);
  }
  return send(url, options);
};
