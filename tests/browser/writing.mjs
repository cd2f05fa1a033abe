// What somebody does who may write: uploads that are cut and go on, folders, other names, deletion.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { BOX_PORT, LIBRARY, Proxy, Visitor, bytesOf, until } from "./harness.mjs";

const MIB = 1024 * 1024;
const stored = (name) => path.join(LIBRARY, "work", name);
const panel = (visitor) => visitor.page.getByRole("region", { name: "Uploads" });

async function enter(browser, base, expected = []) {
  const visitor = await Visitor.open(browser, base, { expected });
  await visitor.goto("/work/");
  await visitor.login();
  await visitor.page.locator("#rows").waitFor();
  return visitor;
}
const ranges = async (visitor) =>
  (await Promise.all(visitor.requests.filter((one) => one.method() === "PUT").map((one) => one.headerValue("content-range")))).filter((range) => range);

export async function a_cut_upload_goes_on({ browser, base, proxy }) {
  const visitor = await enter(browser, base, [/ERR_|Failed to load/]);
  const cuts = proxy.cuts;
  proxy.cut(5 * MIB);
  await visitor.drop([["cut once.bin", 9 * MIB + 77, 1], ["small.txt", 1000, 2]]);
  await until("both files", () => existsSync(stored("cut once.bin")) && existsSync(stored("small.txt")), 20000);
  assert.equal(proxy.cuts, cuts + 1);
  assert.deepEqual(readFileSync(stored("cut once.bin")), bytesOf(9 * MIB + 77, 1));
  assert.deepEqual(readFileSync(stored("small.txt")), bytesOf(1000, 2));
  assert.equal(statSync(stored("cut once.bin")).mtimeMs, 1700000000000);
  assert.match((await ranges(visitor)).join(), /bytes [1-9]\d{6,}-9437260\/9437261/);
  await panel(visitor).getByText("Uploaded: 2").waitFor();
  await until("both in the list", async () => (await visitor.names()).includes("cut once.bin"));
  await visitor.accessible("uploads");
  await visitor.shot("uploads");

  // Cut, and the page is closed: whoever drops the same file again goes on.
  proxy.cut(4 * MIB, true);
  await visitor.drop([["cut twice.bin", 8 * MIB, 3]]);
  await panel(visitor).getByText("interrupted").waitFor();
  await visitor.shot("uploads-interrupted");
  await visitor.page.close();
  proxy.isDown = false;
  visitor.page = await visitor.context.newPage();
  visitor.requests.length = 0;
  await visitor.goto("/work/");
  await visitor.drop([["cut twice.bin", 8 * MIB, 3]]);
  await until("the file", () => existsSync(stored("cut twice.bin")), 15000);
  assert.deepEqual(readFileSync(stored("cut twice.bin")), bytesOf(8 * MIB, 3));
  assert.match((await ranges(visitor)).join(), /bytes [1-9]\d{6,}-8388607\/8388608/);
  await until("nothing remembered", () => visitor.page.evaluate(() => localStorage.getItem("forkftp-uploads") === "{}"));
  await visitor.close();
}

export async function the_network_goes_and_comes_back({ browser, base }) {
  const visitor = await enter(browser, base, [/ERR_|Failed to load/]);
  const session = await visitor.context.newCDPSession(visitor.page);
  const network = (offline) =>
    session.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: offline ? -1 : 6 * MIB });
  await network(false);
  await visitor.drop([["slow.bin", 9 * MIB, 9]]);
  const state = panel(visitor).locator(".state");
  await until("some of it", async () => /^[3-6]/.test(await state.textContent()));
  await network(true);
  await state.getByText("interrupted").waitFor();
  assert.equal(existsSync(stored("slow.bin")), false);
  await network(false);
  await until("the file", () => existsSync(stored("slow.bin")));
  assert.deepEqual(readFileSync(stored("slow.bin")), bytesOf(9 * MIB, 9));
  assert.match((await ranges(visitor)).join(), /bytes [1-9]\d{6,}-9437183\/9437184/);
  await visitor.close();
}

export async function a_cancelled_upload_leaves_nothing({ browser, base, proxy }) {
  const visitor = await enter(browser, base, [/ERR_|Failed to load/]);
  proxy.cut(4 * MIB, true);
  await visitor.drop([["not wanted.bin", 8 * MIB, 4]]);
  await panel(visitor).getByText("interrupted").waitFor();
  proxy.isDown = false;
  await panel(visitor).getByRole("button", { name: "Cancel: not wanted.bin" }).click();
  await panel(visitor).locator(".state").getByText("cancelled").waitFor();
  const kept = () => execFileSync("find", [path.join(LIBRARY, ".forkftp"), "-type", "f", "-size", "+100k"]).toString();
  await until("nothing kept", () => kept() === "");
  assert.equal(existsSync(stored("not wanted.bin")), false);
  await visitor.close();
}

export async function folders_come_with_all_in_them({ browser, base, scratch }) {
  const visitor = await enter(browser, base);
  const { page } = visitor;
  const tree = path.join(scratch, "tree");
  mkdirSync(path.join(tree, "a b/ü"), { recursive: true });
  for (let i = 0; i < 8; i += 1) writeFileSync(path.join(tree, i % 2 ? "a b" : "a b/ü", `${i} #%.txt`), `number ${i}\n`);
  writeFileSync(path.join(tree, "empty"), "");
  await page.locator("#pick-folder").setInputFiles(tree);
  await panel(visitor).getByText("Uploaded: 9").waitFor();
  execFileSync("diff", ["-r", tree, stored("tree")]);
  await until("the folder in the list", async () => (await visitor.names()).includes("tree"));
  // The same by dragging, with a folder in which nothing is, and what no person meant to upload.
  mkdirSync(path.join(tree, "c/nothing"), { recursive: true });
  writeFileSync(path.join(tree, ".DS_Store"), "dust");
  renameSync(tree, path.join(scratch, "dragged"));
  await visitor.dropPaths([path.join(scratch, "dragged"), path.join(scratch, "dragged/empty")]);
  await panel(visitor).getByText("Uploaded: 10").waitFor();
  await until("the empty folder", () => existsSync(stored("dragged/c/nothing")));
  execFileSync("diff", ["-r", "-x", ".DS_Store", path.join(scratch, "dragged"), stored("dragged")]);
  assert.equal(existsSync(stored("empty")), true);
  assert.equal(await page.locator("#veil").isVisible(), false);
  // A name that is taken.
  await page.getByRole("button", { name: "Clear" }).click();
  await visitor.drop([["taken.txt", 10, 5]]);
  await until("the file", () => existsSync(stored("taken.txt")));
  const dialog = page.getByRole("dialog");
  visitor.expect(/status of 412/);
  await panel(visitor).getByText("done").waitFor();
  await visitor.drop([["taken.txt", 20, 6]]);
  await dialog.getByText("“taken.txt” is here already.").waitFor();
  await visitor.accessible("taken");
  await visitor.shot("taken");
  await dialog.getByRole("button", { name: "Keep both" }).click();
  await until("the other file", () => existsSync(stored("taken (2).txt")) && statSync(stored("taken (2).txt")).size === 20);
  assert.equal(statSync(stored("taken.txt")).size, 10);
  await panel(visitor).getByText("20 B · done").waitFor();
  await visitor.drop([["taken.txt", 30, 7]]);
  await dialog.getByRole("button", { name: "Replace" }).click();
  await until("the new file", () => statSync(stored("taken.txt")).size === 30);
  await visitor.close();
}

export async function folders_names_and_deletion({ browser, base }) {
  const visitor = await enter(browser, base, [/status of (405|409)/]);
  const { page } = visitor;
  const dialog = page.getByRole("dialog");
  await page.locator("body").press("n");
  await dialog.getByLabel("Name of the new folder").fill("new one");
  await visitor.accessible("new folder");
  await visitor.shot("new-folder");
  await page.keyboard.press("Enter");
  await until("the folder", () => existsSync(stored("new one")));
  await until("the focus on it", () => page.evaluate(() => document.activeElement.textContent === "new one"));
  // Taken: the dialog says so, and stays.
  await page.locator("body").press("n");
  await dialog.getByLabel("Name of the new folder").fill("new one");
  await page.keyboard.press("Enter");
  await dialog.getByRole("alert").filter({ hasText: /./ }).waitFor();
  await page.keyboard.press("Escape");
  writeFileSync(stored("new one/inside"), "x");
  // Another name.
  await visitor.act("new one", /Rename/);
  const field = dialog.getByLabel("New name");
  assert.equal(await field.inputValue(), "new one");
  await field.fill("<script>alert(2)</script>");
  assert.equal(existsSync(stored("new one")), true);
  await field.fill("<b>other</b>".replaceAll("/", "'"));
  await page.keyboard.press("Enter");
  await until("the other name", () => existsSync(stored("<b>other<'b>")));
  const name = "<b>other<'b>";
  await until("it in the list", async () => (await visitor.names()).includes(name));
  // Deleted, after being asked twice; not, after one no.
  await visitor.act(name, /Delete/);
  await dialog.getByText(`Delete “${name}”`).waitFor();
  await visitor.accessible("delete");
  await visitor.shot("delete");
  await page.keyboard.press("Escape");
  await visitor.row(name).getByRole("link").first().focus();
  await page.keyboard.press("Delete");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByText("is not empty").waitFor();
  assert.equal(existsSync(stored(`${name}/inside`)), true);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await until("the list again", async () => (await dialog.count()) === 0);
  assert.equal(existsSync(stored(`${name}/inside`)), true);
  await visitor.row(name).getByRole("link").first().focus();
  await page.keyboard.press("Delete");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  await until("it gone", () => !existsSync(stored(name)));
  // Several at once.
  for (const one of ["1.tmp", "2.tmp", "3.tmp"]) writeFileSync(stored(one), one);
  await visitor.goto("/work/");
  for (const one of ["1.tmp", "3.tmp"]) await visitor.row(one).getByRole("checkbox").check();
  await page.getByText("2 selected").waitFor();
  await visitor.shot("selected");
  await visitor.accessible("selected");
  await page.locator("#selection").getByRole("button", { name: "Delete" }).click();
  await dialog.getByText("1.tmp").waitFor();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await until("both gone", () => !existsSync(stored("1.tmp")) && !existsSync(stored("3.tmp")));
  assert.equal(existsSync(stored("2.tmp")), true);
  await until("them off the list", async () => !(await visitor.names()).includes("3.tmp"));
  await visitor.close();
}

// A link that somebody without a login can use once, and that its maker can end.
export async function links_for_others({ browser, base }) {
  const visitor = await enter(browser, base);
  const { page } = visitor;
  const dialog = page.getByRole("dialog");
  const content = "for a friend\n";
  writeFileSync(stored("shared & more.txt"), content);
  await visitor.goto("/work/");
  await visitor.act("shared & more.txt", /Share/);
  await dialog.getByLabel("The link works for").selectOption({ label: "a week" });
  await visitor.accessible("share");
  await dialog.getByRole("button", { name: "Make a link" }).click();
  const field = dialog.getByLabel("Copy link");
  await field.waitFor();
  await visitor.shot("share");
  const url = await field.inputValue();
  const friend = async () => {
    const answer = await fetch(url);
    return [answer.status, answer.status === 200 ? await answer.text() : ""];
  };
  assert.deepEqual(await friend(), [200, content]);
  await page.keyboard.press("Escape");
  await visitor.act("shared & more.txt", /Share/);
  await visitor.shot("share-links");
  await dialog.getByRole("button", { name: "End it" }).click();
  await until("the end of the link", async () => (await dialog.getByRole("button", { name: "End it" }).count()) === 0);
  assert.equal((await friend())[0], 404);
  await visitor.close();
}

export async function a_drop_box({ browser }) {
  const proxy = new Proxy(BOX_PORT);
  const base = await proxy.listen();
  const visitor = await Visitor.open(browser, base);
  await visitor.goto("/work/box/");
  await visitor.page.getByText("You can put files into it").waitFor();
  await visitor.accessible("drop box");
  await visitor.drop([["given.bin", 2 * MIB, 8]]);
  await panel(visitor).getByText("Uploaded: 1").waitFor();
  await visitor.shot("drop-box");
  assert.deepEqual(readFileSync(stored("box/given.bin")), bytesOf(2 * MIB, 8));
  await visitor.close();
  proxy.close();
}
