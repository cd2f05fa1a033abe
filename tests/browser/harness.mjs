// What the tests in a browser share: the browser, pages that tell of everything that should not be, and a proxy that cuts connections.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";

const installed = createRequire(path.join(process.env.BROWSER_MODULES, "node_modules", "x.js"));
const { chromium } = installed("playwright-core");
const axe = readFileSync(installed.resolve("axe-core/axe.min.js"), "utf8");

export const LIBRARY = process.env.LIBRARY;
export const [PORT, OPEN_PORT, BOX_PORT] = process.env.HTTP_PORTS.split(" ").map(Number);
export const USER = process.env.HTTP_USER;
export const PASSWORD = process.env.HTTP_PASSWORD;
const SHOTS = process.env.BROWSER_SHOTS;

export const HOSTILE = "<img src=x onerror=alert(1)>\"'&.txt";
export const DESKTOP = { width: 1200, height: 800 };
export const PHONE = { width: 390, height: 780 };

export function launch() {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", headless: true, args, timeout: 20000 });
}

// Between the browser and the server: passes everything on, cuts the connection over which so many bytes came, and can be closed altogether.
export class Proxy {
  constructor(port) {
    this.cutAfter = Infinity;
    this.counted = 0;
    this.cuts = 0;
    this.isDown = false;
    this.sockets = new Set();
    this.server = net.createServer((client) => {
      if (this.isDown) return client.destroy();
      const upstream = net.connect(port, "127.0.0.1");
      const both = [client, upstream];
      const end = () => both.forEach((socket) => (socket.destroy(), this.sockets.delete(socket)));
      let [came, counted] = [0, this.counted];
      both.forEach((socket) => {
        this.sockets.add(socket);
        socket.on("error", end).on("close", end);
      });
      client.on("data", (bytes) => {
        // From when it was said on: a connection may have carried much before.
        if (counted !== this.counted) [came, counted] = [0, this.counted];
        came += bytes.length;
        if (came >= this.cutAfter) {
          this.cutAfter = Infinity;
          this.cuts += 1;
          this.isDown = this.staysDown;
          return end();
        }
        if (!upstream.write(bytes)) client.pause();
      });
      upstream.on("drain", () => client.resume());
      upstream.on("data", (bytes) => {
        if (!client.write(bytes)) upstream.pause();
      });
      client.on("drain", () => upstream.resume());
    });
  }
  async listen() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.server.address().port}`;
  }
  cut(after, staysDown = false) {
    this.cutAfter = after;
    this.counted += 1;
    this.staysDown = staysDown;
  }
  close() {
    this.sockets.forEach((socket) => socket.destroy());
    this.server.close();
  }
}

// A visitor with a browser of their own. What a page says that it should not say is kept, and asked for at the end.
export class Visitor {
  static async open(browser, base, options = {}) {
    const { expected = [], ...rest } = options;
    const visitor = new Visitor();
    visitor.base = base;
    visitor.wrong = [];
    visitor.requests = [];
    visitor.expected = expected;
    const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", timezoneId: "Europe/Berlin", acceptDownloads: true, ...rest });
    visitor.context = context;
    context.setDefaultTimeout(8000);
    context.on("request", (request) => {
      visitor.requests.push(request);
      const { protocol, origin } = new URL(request.url());
      // Other schemes are the browser's own, as its viewer's of PDF.
      if (/^(https?|wss?):$/.test(protocol) && origin !== base) visitor.wrong.push(`a request to ${request.url()}`);
    });
    context.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) visitor.wrong.push(`console: ${message.text()}`);
    });
    context.on("weberror", (error) => visitor.wrong.push(`error: ${error.error().stack}`));
    context.on("dialog", (dialog) => {
      if (dialog.type() !== "beforeunload") visitor.wrong.push(`something ran: ${dialog.type()} ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    visitor.page = await context.newPage();
    return visitor;
  }
  // What the browser says of answers that a test asks for.
  expect(...patterns) {
    this.expected.push(...patterns);
  }
  async close() {
    const wrong = this.wrong.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    await this.context.close();
    assert.deepEqual(wrong, []);
  }
  goto(path) {
    return this.page.goto(this.base + path);
  }
  async login(user = USER, password = PASSWORD) {
    await this.page.getByLabel("User").fill(user);
    await this.page.getByLabel("Password").fill(password);
    await this.page.keyboard.press("Enter");
  }
  shot(name) {
    return this.page.screenshot({ path: path.join(SHOTS, `${name}.png`), animations: "disabled" });
  }
  names() {
    return this.page.locator("#rows tr:not([hidden]) .n a").allTextContents();
  }
  row(name) {
    return this.page.locator("#rows tr").filter({ has: this.page.getByRole("link", { name, exact: true }) });
  }
  async act(name, action) {
    await this.row(name).locator(".more").click();
    await this.page.getByRole("menuitem", { name: action }).click();
  }
  // Fails where somebody who does not see, or does not use a mouse, would be left alone.
  async accessible(where) {
    // In a world of its own, past the page's policy.
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const grave = violations.filter((one) => ["serious", "critical"].includes(one.impact));
    const told = grave.map((one) => `${where}: ${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).slice(0, 3).join("; ")}`);
    assert.deepEqual(told, []);
  }
  // Drops what lies at these paths on the page, by the browser's own hand: files and folders.
  async dropPaths(files) {
    const session = await this.context.newCDPSession(this.page);
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
      if (type === "dragOver") await this.shot("drag");
    }
    await session.detach();
  }
  // Drops files that are made in the page: `files` are [name, bytes to make, seed].
  drop(files) {
    return this.page.evaluate((files) => {
      const transfer = new DataTransfer();
      for (const [name, length, seed] of files) {
        const words = new Uint32Array(Math.ceil(length / 4));
        let x = seed;
        for (let i = 0; i < words.length; i += 1) {
          x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
          words[i] = x;
        }
        transfer.items.add(new File([new Uint8Array(words.buffer, 0, length)], name, { lastModified: 1700000000000 }));
      }
      for (const type of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
      }
    }, files);
  }
}

// The same bytes as `drop` makes.
export function bytesOf(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed;
  for (let i = 0; i < words.length; i += 1) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, length);
}

// Tries until it is true, at most so long.
export async function until(what, check, millis = 10000) {
  const end = Date.now() + millis;
  let last = null;
  while (Date.now() < end) {
    try {
      if (await check()) return;
      last = null;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  assert.fail(`waited in vain for: ${what}${last ? ` (${last.message})` : ""}`);
}
