// The same without JavaScript: what a browser does by itself.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { LIBRARY, Visitor } from "./harness.mjs";

export async function all_of_it_without_a_script({ browser, base }) {
  const visitor = await Visitor.open(browser, base, { javaScriptEnabled: false });
  const { page } = visitor;
  await visitor.goto("/docs/");
  await visitor.login();
  await page.getByRole("link", { name: "Size" }).click();
  assert.equal((await visitor.names())[1], "big.bin");
  await page.getByRole("searchbox").fill("notes");
  await page.getByRole("button", { name: "Filter" }).click();
  assert.deepEqual((await visitor.names()).sort(), ["notes 10.txt", "notes 2.txt"]);
  assert.match(page.url(), /sort=size/);
  await visitor.shot("scriptless");
  const begun = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download notes 2.txt" }).click();
  assert.equal(readFileSync(await (await begun).path(), "utf8"), "two\n");
  await visitor.goto("/many/");
  await page.getByRole("link", { name: "Next" }).click();
  assert.deepEqual(await visitor.names(), ["file 1000.txt", "file 1001.txt"]);
  await visitor.goto("/work/");
  await page.getByLabel("Choose files").setInputFiles([
    { name: "form one.txt", mimeType: "text/plain", buffer: Buffer.from("one") },
    { name: "form two.html", mimeType: "text/html", buffer: Buffer.from("<script>") },
  ]);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.getByRole("link", { name: "form two.html", exact: true }).waitFor();
  assert.equal(readFileSync(path.join(LIBRARY, "work/form one.txt"), "utf8"), "one");
  assert.equal(existsSync(path.join(LIBRARY, "work/form two.html")), true);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
  await visitor.close();
}
