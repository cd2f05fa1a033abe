// Runs the tests in a browser, one after another: node run.mjs [NAME...]. What it needs stands in the environment; the script that starts the server
// sets it (tests/e2e/test_http_browser.sh).
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { OPEN_PORT, PORT, Proxy, launch } from "./harness.mjs";
import * as reading from "./reading.mjs";
import * as scriptless from "./scriptless.mjs";
import * as writing from "./writing.mjs";

const wanted = process.argv.slice(2);
const proxies = [new Proxy(PORT), new Proxy(OPEN_PORT)];
const [base, openBase] = await Promise.all(proxies.map((proxy) => proxy.listen()));
const scratch = mkdtempSync(path.join(os.tmpdir(), "forkftp-browser."));
const browser = await launch();
let failed = 0;
// Two at a time: those who read need not wait for those who write.
async function lane(tests) {
  for (const [name, test] of Object.entries(tests)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const began = Date.now();
    try {
      await test({ browser, base, proxy: proxies[0], open: [browser, openBase], scratch });
      console.log(`ok ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name} (${Date.now() - began} ms)\n${error.stack}`);
    }
  }
}
await Promise.all([lane(reading), lane({ ...writing, ...scriptless })]);
await browser.close();
proxies.forEach((proxy) => proxy.close());
rmSync(scratch, { recursive: true, force: true });
process.exitCode = failed > 0 ? 1 : 0;
