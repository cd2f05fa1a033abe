// What somebody does who only reads: logging in, looking around, previews, downloads, in every shape of browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { DESKTOP, HOSTILE, LIBRARY, PASSWORD, PHONE, USER, Visitor, until } from "./harness.mjs";

export async function logging_in_and_out({ browser, base }) {
  const visitor = await Visitor.open(browser, base, { expected: [/status of 401/] });
  const { page } = visitor;
  await visitor.goto("/docs/");
  assert.match(page.url(), /\/-\/login\?to=/);
  assert.equal(await page.getByLabel("User").evaluate((field) => field === document.activeElement), true);
  await visitor.accessible("login");
  await visitor.shot("login");
  await visitor.login(USER, "wrong");
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("User").inputValue(), USER);
  await visitor.accessible("login, wrong");
  await visitor.shot("login-wrong");
  await visitor.login(USER, PASSWORD);
  await page.locator("#rows").waitFor();
  assert.equal(new URL(page.url()).pathname, "/docs/");
  assert.equal(await page.locator(".who b").textContent(), USER);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
  await visitor.goto("/");
  assert.match(page.url(), /\/-\/login/);
  await visitor.close();
}

export async function the_list({ open }) {
  const visitor = await Visitor.open(...open);
  const { page } = visitor;
  await visitor.goto("/docs/");
  assert.deepEqual(await visitor.names(), ["inner", HOSTILE, "big.bin", "evil.html", "notes 2.txt", "notes 10.txt", "paper.pdf", "picture.png", "script.svg"]);
  await visitor.accessible("list");
  await visitor.shot("list-desktop");
  // Columns.
  await page.getByRole("link", { name: "Size" }).click();
  await until("the largest file first", async () => (await visitor.names())[1] === "big.bin");
  assert.equal(await page.locator("th.s").getAttribute("aria-sort"), "descending");
  await page.getByRole("link", { name: "Size" }).click();
  await until("the largest file last", async () => (await visitor.names()).at(-1) === "big.bin");
  // Filter.
  await page.keyboard.press("/");
  await page.keyboard.type("NOTES");
  await until("two notes", async () => (await visitor.names()).length === 2);
  assert.equal(await page.locator("#count").textContent(), "2 entries");
  await page.keyboard.press("Escape");
  assert.equal((await visitor.names()).length, 9);
  // Down and up without loading a page: what the reader had stays.
  await page.evaluate(() => (window.marked = true));
  await page.getByRole("link", { name: "inner", exact: true }).click();
  await until("the folder below", async () => (await visitor.names()).join() === "deep.txt");
  assert.equal(new URL(page.url()).pathname, "/docs/inner/");
  assert.deepEqual(await page.locator("#crumbs a").allTextContents(), ["Files", "docs", "inner"]);
  assert.equal(await page.title(), "inner – Files");
  await page.goBack();
  await until("the folder again", async () => (await visitor.names()).length === 9);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), (await visitor.names())[1]);
  await page.keyboard.press("Backspace");
  await until("the top", async () => new URL(page.url()).pathname === "/");
  assert.equal(await page.evaluate(() => window.marked), true);
  await page.keyboard.press("?");
  await page.getByRole("dialog").waitFor();
  await visitor.accessible("keys");
  await page.keyboard.press("Escape");
  // Who may only read is offered nothing else.
  assert.equal(await page.getByRole("button", { name: /Upload|New folder|Delete/ }).count(), 0);
  await visitor.close();
}

export async function previews({ open }) {
  const visitor = await Visitor.open(...open);
  const { page } = visitor;
  await visitor.goto("/docs/");
  const dialog = page.getByRole("dialog");
  await page.getByRole("link", { name: "notes 10.txt", exact: true }).click();
  await until("the text", async () => (await dialog.locator("pre").textContent()) === "ten\n<b>not bold</b>\n");
  await visitor.accessible("preview of text");
  await visitor.shot("preview-text");
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "picture.png", exact: true }).click();
  await until("the picture", () => dialog.locator("img").evaluate((image) => image.complete && image.naturalWidth === 64));
  await visitor.accessible("preview of a picture");
  await visitor.shot("preview-image");
  await page.keyboard.press("ArrowRight");
  // A drawing could be a program: its source.
  await until("the drawing", async () => (await dialog.locator("pre").textContent()).startsWith("<svg"));
  await page.keyboard.press("Escape");
  await until("the focus where it was left", () => page.evaluate(() => document.activeElement.textContent === "script.svg"));
  // What would run elsewhere is shown as what it is.
  await page.getByRole("link", { name: "evil.html", exact: true }).click();
  await until("the source", async () => (await dialog.locator("pre").textContent()).includes("<script>"));
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: HOSTILE, exact: true }).click();
  assert.equal(await dialog.getByRole("heading").textContent(), HOSTILE);
  await until("the hostile text", async () => (await dialog.locator("pre").textContent()).includes("alert"));
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "paper.pdf", exact: true }).click();
  const inside = await (await dialog.locator("iframe").elementHandle()).contentFrame();
  await until("the paper", async () => inside.url().endsWith("/paper.pdf"));
  await visitor.shot("preview-pdf");
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("link", { name: "big.bin", exact: true }).click();
  await dialog.getByText("no preview").waitFor();
  await page.keyboard.press("Escape");
  await visitor.close();
}

// Whatever somebody stored, a browser that goes there runs none of it.
export async function stored_pages_never_run({ open }) {
  const visitor = await Visitor.open(...open);
  const { page } = visitor;
  for (const name of ["evil.html", "script.svg"]) {
    await visitor.goto("/docs/");
    const come = page.waitForEvent("download", { timeout: 1500 }).catch(() => null);
    await page.goto(`${visitor.base}/docs/${name}`).catch((error) => assert.match(error.message, /Download is starting|ERR_ABORTED/));
    await come;
    assert.equal(await page.evaluate(() => window.ran), undefined);
  }
  await visitor.close();
}

export async function downloads({ open, scratch }) {
  const visitor = await Visitor.open(...open);
  const { page } = visitor;
  await visitor.goto("/docs/");
  const begun = page.waitForEvent("download");
  await visitor.row("big.bin").locator(".get").click();
  const file = await begun;
  assert.equal(file.suggestedFilename(), "big.bin");
  assert.deepEqual(readFileSync(await file.path()), readFileSync(path.join(LIBRARY, "docs/big.bin")));
  const packing = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download as zip" }).click();
  const zip = await packing;
  assert.equal(zip.suggestedFilename(), "docs.zip");
  const unpacked = path.join(scratch, "unpacked");
  execFileSync("python3", ["-m", "zipfile", "-e", await zip.path(), unpacked]);
  const [top] = readdirSync(unpacked);
  const at = readdirSync(unpacked).length === 1 && top === "docs" ? path.join(unpacked, top) : unpacked;
  execFileSync("diff", ["-r", at, path.join(LIBRARY, "docs")]);
  rmSync(unpacked, { recursive: true });
  await visitor.close();
}

export async function every_shape_of_browser({ browser, open: [, base] }) {
  for (const [name, viewport, colorScheme, locale] of [
    ["phone-light", PHONE, "light", "en-GB"],
    ["phone-dark", PHONE, "dark", "en-GB"],
    ["desktop-dark", DESKTOP, "dark", "de-DE"],
    ["desktop-chinese", DESKTOP, "light", "zh-CN"],
  ]) {
    const visitor = await Visitor.open(browser, base, { viewport, colorScheme, locale, hasTouch: viewport === PHONE });
    const { page } = visitor;
    await visitor.goto("/docs/");
    if (name === "phone-light") await visitor.accessible(name);
    await visitor.shot(name);
    const overhang = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overhang, 0, `${name} is wider than the screen`);
    if (locale === "zh-CN") {
      assert.equal(await page.getAttribute("html", "lang"), "zh-CN");
      await page.getByRole("link", { name: "名称" }).waitFor();
      await visitor.goto("/-/login");
      await page.getByLabel("密码").waitFor();
      await visitor.shot("login-chinese");
      await visitor.goto("/docs/");
    }
    if (locale === "de-DE") assert.match(await page.locator("td.s").nth(2).textContent(), /^\d+,\d MB$/);
    await visitor.row("notes 2.txt").locator(".more").click();
    await page.getByRole("menu").waitFor();
    if (name !== "phone-light") await visitor.accessible(`${name}, menu`);
    await visitor.shot(`${name}-menu`);
    await visitor.close();
  }
}

export async function a_large_folder({ open }) {
  const visitor = await Visitor.open(...open);
  const { page } = visitor;
  const session = await visitor.context.newCDPSession(page);
  await session.send("Network.enable");
  let wire = 0;
  session.on("Network.loadingFinished", (event) => (wire += event.encodedDataLength));
  await visitor.goto("/many/");
  await page.waitForLoadState("networkidle");
  const requests = visitor.requests.filter((request) => request.url().startsWith("http"));
  assert.equal(requests.length, 2, requests.map((request) => request.url()).join());
  assert.ok(wire > 5000 && wire < 100 * 1024, `${wire} bytes`);
  console.log(`   ${requests.length} requests, ${wire} bytes for ${await page.locator("#rows tr").count()} entries`);
  assert.match(await page.locator("#count").textContent(), /^1–1,000 of 1,002 entries$/);
  await page.getByRole("link", { name: "Next" }).click();
  await until("the rest", async () => (await visitor.names()).join() === "file 1000.txt,file 1001.txt");
  await page.keyboard.press("/");
  await page.keyboard.type("0777");
  await until("the one", async () => (await visitor.names()).join() === "file 0777.txt");
  await visitor.close();
}

export async function refusals_are_pages({ open }) {
  const visitor = await Visitor.open(...open);
  visitor.expect(/status of 404/);
  await visitor.goto("/nothing/here");
  await visitor.page.getByRole("heading", { name: "That did not work" }).waitFor();
  await visitor.accessible("refusal");
  await visitor.shot("refusal");
  await visitor.close();
}
