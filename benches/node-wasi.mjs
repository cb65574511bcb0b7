// Runs a WASI program under Node.js, for `benches/compare`: node --no-warnings benches/node-wasi.mjs [--dir HOST::GUEST]... MODULE [ARGS]...
//
// Nothing but what Node itself brings: its engine compiles functions when they are first called, and keeps no cache.

import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { WASI } from 'node:wasi';

const words = process.argv.slice(2);
const preopens = {};
while (words[0] === '--dir') {
  const [host, guest = host] = words[1].split('::');
  preopens[guest] = host;
  words.splice(0, 2);
}

const module = await WebAssembly.compile(await readFile(words[0]));
const old = WebAssembly.Module.imports(module).some((item) => item.module === 'wasi_unstable');
const wasi = new WASI({ version: old ? 'unstable' : 'preview1', args: words, preopens, returnOnExit: true });
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
