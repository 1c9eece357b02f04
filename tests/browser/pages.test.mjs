// The screens beside the conversation: one's own account, classes, and the school.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { check } from "./eye.mjs";
import { anotherPage, ask, Cable, emu, finished, openBrowser, openPage, Server, signIn, signUp, tutor, until } from "./stage.mjs";

let server, browser, open;
before(async () => {
  server = await Server.start();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.end();
});
beforeEach(() => {
  open = [];
});
afterEach(async () => {
  for (const { context, strangers } of open) {
    await context.close();
    assert.deepEqual(strangers, [], "nobody else was asked for anything");
  }
});

/** A browser profile of its own, with nobody signed in. */
async function visitor(options = {}, url = server.url) {
  const stage = await openPage(browser, url, options);
  open.push(stage);
  return stage.page;
}

async function student(options) {
  const page = await visitor(options);
  const who = await signUp(page);
  return { page, who };
}

async function admin(options) {
  const page = await visitor(options);
  await signIn(page, tutor);
  return page;
}

async function go(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await page.locator("#page-body .panel").first().waitFor();
}

const panel = (page, name) => page.locator(".panel").filter({ has: page.getByRole("heading", { name, exact: true }) });
const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
const toast = (page, text) => page.locator("#toast").getByText(text).waitFor();
const pane = (page) => page.locator("#page");
const dialog = (page) => page.getByRole("dialog");
const shown = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const stored = () =>
  new Promise((resolve) => {
    const request = indexedDB.open("fynq");
    request.onsuccess = () => {
      const count = request.result.transaction("outbox").objectStore("outbox").count();
      count.onsuccess = () => {
        request.result.close();
        resolve(count.result);
      };
    };
  });

test("each page has an address, and the back button goes through them", async () => {
  const { page } = await student();
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  const conversation = new URL(page.url()).hash;
  await page.getByRole("button", { name: /your account/ }).click();
  await page.getByRole("menuitem", { name: "Settings" }).click();
  await shown(page, "Settings");
  assert.equal(await page.title(), "Settings · fynq");
  await page.getByRole("link", { name: "Classes" }).click();
  await shown(page, "Classes");
  assert.equal(new URL(page.url()).hash, "#classes");
  await page.goBack();
  await shown(page, "Settings");
  await page.goBack();
  await finished(page, 1);
  assert.equal(new URL(page.url()).hash, conversation);
  await page.goForward();
  await shown(page, "Settings");
  await page.reload();
  await shown(page, "Settings");
  await page.keyboard.press("Alt+n");
  await page.locator("#empty h2").waitFor();
  assert.equal(await page.locator("#page").isVisible(), false);
  await go(page, "admin/users").catch(() => {});
  await page.getByText("This page is for the admins of your school.").waitFor();
  assert.equal(await page.getByRole("link", { name: "School" }).count(), 0);
});

test("the profile is saved, and greets by the new name", async () => {
  const { page } = await student();
  await go(page, "settings");
  await pane(page).getByLabel("What should we call you?").fill("Mina");
  await pane(page).getByLabel("Your language").selectOption("de");
  await pane(page).getByLabel("Your year at school").fill("Year 7");
  await press(page, "Save");
  await toast(page, "Saved");
  await page.reload();
  await pane(page).getByLabel("What should we call you?").waitFor();
  assert.equal(await pane(page).getByLabel("What should we call you?").inputValue(), "Mina");
  assert.equal(await pane(page).getByLabel("Your language").inputValue(), "de");
  assert.equal(await pane(page).getByLabel("Your year at school").inputValue(), "Year 7");
  await page.keyboard.press("Alt+n");
  await page.getByText("Hi Mina, what shall we work on?").waitFor();
});

test("password and email change with the password of now, and a wrong one is told at its field", async () => {
  const { page, who } = await student();
  await go(page, "settings");
  await press(page, "Change your password");
  await dialog(page).getByLabel("Your password now").fill("not my password");
  await dialog(page).getByLabel("New password").fill("quite another sentence");
  await press(page, "Change");
  await dialog(page).getByText("That is not your password.").waitFor();
  await dialog(page).getByLabel("Your password now").fill(who.password);
  await press(page, "Change");
  await toast(page, "Your new password works");
  await press(page, "Change your email");
  const email = `new-${Date.now()}@example.org`;
  await dialog(page).getByLabel("New email").fill(email);
  await dialog(page).getByLabel("Your password", { exact: true }).fill("quite another sentence");
  await press(page, "Change");
  await toast(page, "From now on you sign in with your new email.");
  await page.getByText(email).first().waitFor();
  await signIn(await visitor(), { email, password: "quite another sentence" });
});

test("a new password ends every sign-in, and neither tab of this browser notices", async () => {
  const { page, who } = await student();
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  const talk = await anotherPage(open.at(-1).context, page.url());
  await finished(talk.page, 1);
  const elsewhere = await visitor();
  await signIn(elsewhere, who);
  const kept = () => page.evaluate(() => localStorage.getItem("fynq.account"));
  const before = JSON.parse(await kept());
  await go(page, "settings");
  await press(page, "Change your password");
  await dialog(page).getByLabel("Your password now").fill(who.password);
  await dialog(page).getByLabel("New password").fill("quite another sentence");
  await press(page, "Change");
  await toast(page, "Your new password works");
  await elsewhere.reload();
  await elsewhere.getByRole("heading", { name: "Sign in" }).waitFor();
  const after = JSON.parse(await kept());
  assert.deepEqual([after.access === before.access, after.refresh === before.refresh], [false, false]);
  assert.deepEqual(Object.keys(after.user).sort(), ["id", "role"]);
  // Its line was cut with the sign-in before, and is there again by the new one.
  await ask(talk.page, `Again ${emu({ say: "Still here." })}`);
  await finished(talk.page, 2);
  await page.reload();
  await pane(page).getByText(who.email).first().waitFor();
  assert.equal(await page.locator("#welcome").isVisible(), false);
});

test("devices are listed, one is ended, then all others", async () => {
  const { page, who } = await student();
  const elsewhere = await visitor();
  await signIn(elsewhere, who);
  await signIn(await visitor(), who);
  await go(page, "settings");
  const devices = page.getByRole("list", { name: "Devices" }).getByRole("listitem");
  await until(async () => (await devices.count()) === 3, "three devices");
  assert.match(await devices.first().innerText(), /This device/);
  await devices.nth(1).getByRole("button").click();
  await until(async () => (await devices.count()) === 2, "two devices");
  await press(page, "Sign out everywhere else");
  await dialog(page).getByLabel("Your password").fill(who.password);
  await press(page, "Sign out elsewhere");
  await until(async () => (await devices.count()) === 1, "only this device");
  assert.equal(await page.getByRole("button", { name: "Sign out everywhere else" }).count(), 0);
  await elsewhere.reload();
  await elsewhere.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("a forgotten password: an admin makes a code, shown once, and it opens the account", async () => {
  const { who } = await student();
  const office = await admin();
  await go(office, "admin/users");
  await pane(office).getByLabel("Search people").fill(who.email);
  const people = office.getByRole("list", { name: "People" }).getByRole("listitem");
  await until(async () => (await people.count()) === 1 && (await people.innerText()).includes(who.email), "one is found");
  await people.getByRole("button", { name: /^More for/ }).click();
  await office.getByRole("menuitem", { name: "Make a reset code" }).click();
  await press(office, "Make the code");
  const code = await office.locator("dialog .code").innerText();
  await press(office, "Close");
  await until(async () => !(await office.content()).includes(code), "it is shown once");

  const page = await visitor();
  await press(page, "Forgot your password?");
  assert.equal(new URL(page.url()).hash, "#forgot");
  await press(page, "I have no code yet");
  await page.getByText("Please write your email first.").waitFor();
  const forgot = page.locator("#forgot");
  await forgot.getByLabel("Email").fill(who.email);
  await press(page, "I have no code yet");
  await page.getByText("Please ask an admin of your school.").waitFor();
  await forgot.getByLabel("Code").fill("AAAA-AAAA-AAAA");
  await forgot.getByLabel("New password").fill("a sentence after all");
  await press(page, "Save the new password");
  await page.getByText("This code does not work.").waitFor();
  await forgot.getByLabel("Code").fill(code);
  await press(page, "Save the new password");
  await page.getByText("Your new password is saved.").waitFor();
  assert.equal(await page.getByLabel("Email").inputValue(), who.email);
  await page.getByLabel("Password", { exact: true }).fill("a sentence after all");
  await press(page, "Sign in");
  await page.locator("#empty h2").waitFor();
});

test("a class is made, joined by its code, changed and deleted", async () => {
  const office = await admin();
  await go(office, "classes");
  await press(office, "New class");
  await dialog(office).getByLabel("Name").fill("Maths 7b");
  await press(office, "Make it");
  await shown(office, "Maths 7b");
  const code = await office.locator(".code").innerText();

  const { page } = await student();
  await go(page, "classes");
  await pane(page).getByLabel("Class code").fill("NOPE-NOPE-NOPE");
  await press(page, "Join");
  await page.getByText("There is no class with this code.").waitFor();
  await pane(page).getByLabel("Class code").fill(code);
  await press(page, "Join");
  await shown(page, "Maths 7b");
  assert.equal(await page.locator(".code").count(), 0, "the code is not for students");

  await office.reload();
  await panel(office, "People").getByText("Mia Berg").waitFor();
  await press(office, "New code");
  await dialog(office).getByRole("button", { name: "New code" }).click();
  await until(async () => (await office.locator(".code").innerText()) !== code, "another code");
  await press(office, "Rename the class");
  await dialog(office).getByLabel("Name").fill("Maths 8b");
  await press(office, "Rename");
  await shown(office, "Maths 8b");
  await press(office, "Remove Mia Berg");
  await dialog(office).getByRole("button", { name: "Remove" }).click();
  await until(async () => (await panel(office, "People").getByText("Mia Berg").count()) === 0, "she is out");
  await press(office, "Delete the class");
  await dialog(office).getByRole("button", { name: "Delete" }).click();
  await shown(office, "Classes");
  await until(async () => (await office.getByRole("link", { name: "Maths 8b" }).count()) === 0, "the class is gone");
});

test("the code and the link of a class are copied, and the link leads into the class", async () => {
  const office = await admin();
  await open.at(-1).context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await go(office, "admin/classes");
  await press(office, "New class");
  await dialog(office).getByLabel("Name").fill("Physics");
  await press(office, "Make it");
  await shown(office, "Physics");
  const code = await office.locator(".code").innerText();
  await press(office, "Copy the code");
  await toast(office, "Copied");
  assert.equal(await office.evaluate(() => navigator.clipboard.readText()), code);
  await press(office, "Copy a link");
  const link = await until(async () => {
    const text = await office.evaluate(() => navigator.clipboard.readText());
    return text.startsWith("http") && text;
  }, "the link is copied");

  const { page } = await student();
  await page.goto(link);
  await pane(page).getByLabel("Class code").waitFor();
  assert.equal(await pane(page).getByLabel("Class code").inputValue(), code);
  await press(page, "Join");
  await shown(page, "Physics");

  const guest = await visitor();
  await guest.goto("about:blank");
  await guest.goto(link);
  await guest.getByRole("heading", { name: "Create an account" }).waitFor();
  assert.equal(await guest.getByLabel("Class code").inputValue(), code);
  await guest.getByLabel("Email").fill(`guest-${Date.now()}@example.org`);
  await guest.getByLabel("Password", { exact: true }).fill("a long enough sentence");
  await press(guest, "Create account");
  await guest.locator("#empty h2").waitFor();
  await go(guest, "classes");
  await guest.getByRole("link", { name: "Physics" }).waitFor();
});

test("an admin makes an account, changes it, switches it off and deletes it", async () => {
  const page = await admin();
  const email = `zoe-${Date.now()}@school.example`;
  await go(page, "admin/users");
  await press(page, "New account");
  await dialog(page).getByLabel("Email").fill(email);
  await dialog(page).getByLabel(/^Name/).fill("Zoe Quill");
  await dialog(page).getByLabel("First password").fill("a first long sentence");
  await dialog(page).getByLabel("Role").selectOption("tutor");
  assert.equal(await dialog(page).getByLabel("Age").inputValue(), "unknown");
  await dialog(page).getByLabel("Age").selectOption("13 to 15");
  await press(page, "Make it");
  await toast(page, "The account is there.");
  await pane(page).getByLabel("Search people").fill(email);
  const people = page.getByRole("list", { name: "People" }).getByRole("listitem");
  await until(async () => (await people.count()) === 1 && (await people.innerText()).includes("Tutor"), "she is a tutor");
  const choose = async (item) => {
    await page.getByRole("button", { name: "More for Zoe Quill" }).click();
    await page.getByRole("menuitem", { name: item }).click();
  };
  await choose("Change role");
  await dialog(page).getByLabel("Role").selectOption("student");
  await press(page, "Save");
  await until(async () => !(await people.innerText()).includes("Tutor"), "she is a student");
  await choose("Change age");
  assert.equal(await dialog(page).getByLabel("Age").inputValue(), "13_to_15");
  await dialog(page).getByLabel("Age").selectOption("16 or 17");
  await press(page, "Save");
  await dialog(page).waitFor({ state: "detached" });
  await until(async () => (await people.count()) === 1, "the list is drawn again");
  await choose("Change age");
  assert.equal(await dialog(page).getByLabel("Age").inputValue(), "16_to_17");
  await check(page, "how old somebody is");
  await press(page, "Cancel");
  await choose("Sign out everywhere");
  await toast(page, "Zoe Quill is signed out everywhere.");
  await choose("Switch off");
  await dialog(page).getByRole("button", { name: "Switch off" }).click();
  await until(async () => (await people.innerText()).includes("Switched off"), "she is off");
  await choose("Switch on");
  await until(async () => !(await people.innerText()).includes("Switched off"), "she is on again");
  await choose("Write down a yes");
  await dialog(page).getByLabel("Their name").fill("Her mother");
  await dialog(page).getByLabel("Which rules they read").fill("2026-09");
  await press(page, "Write it down");
  await toast(page, "Written down");
  const saved = page.waitForEvent("download");
  await choose("Download their data");
  assert.match((await saved).suggestedFilename(), /^fynq-.*\.json$/);
  await choose("Delete");
  await dialog(page).getByRole("textbox").fill("somebody@else.example");
  await press(page, "Delete");
  await dialog(page).getByText("This is another address.").waitFor();
  await dialog(page).getByRole("textbox").fill(email);
  await press(page, "Delete");
  await toast(page, "Deleted");
  await page.getByText("Nobody found.").waitFor();
});

test("an account without a password comes with a code, and its owner chooses one", async () => {
  const office = await admin();
  const email = `yan-${Date.now()}@school.example`;
  await go(office, "admin/users");
  await press(office, "New account");
  await dialog(office).getByLabel("Email").fill(email);
  await press(office, "Make it");
  await dialog(office).getByRole("heading", { name: `First code for ${email}` }).waitFor();
  const code = await office.locator("dialog .code").innerText();
  await check(office, "a first code");
  await press(office, "Close");
  await until(async () => !(await office.content()).includes(code), "it is shown once");
  const page = await visitor();
  await press(page, "Forgot your password?");
  const forgot = page.locator("#forgot");
  await forgot.getByLabel("Email").fill(email);
  await forgot.getByLabel("Code").fill(code);
  await forgot.getByLabel("New password").fill("a sentence of my own");
  await press(page, "Save the new password");
  await page.getByLabel("Password", { exact: true }).fill("a sentence of my own");
  await press(page, "Sign in");
  await page.locator("#empty h2").waitFor();
});

test("the school's name and rules are kept, and what happened is listed", async () => {
  const page = await admin();
  await go(page, "admin/school");
  await pane(page).getByLabel("Name", { exact: true }).fill("Riverside School");
  await press(page, "Save the name");
  await toast(page, "Saved");
  const watchers = pane(page).getByLabel("Students see when a tutor is reading along");
  const before = await watchers.isChecked();
  await watchers.setChecked(!before);
  await pane(page).getByLabel("Version of the rules").fill("2027-01");
  const whose = pane(page).getByLabel("Which students need it");
  assert.equal(await whose.inputValue(), "all");
  await whose.selectOption("Students under 16");
  await press(page, "Save the rules");
  await toast(page, "Saved");
  await page.reload();
  await pane(page).getByLabel("Version of the rules").waitFor();
  assert.equal(await pane(page).getByLabel("Name", { exact: true }).inputValue(), "Riverside School");
  assert.equal(await pane(page).getByLabel("Version of the rules").inputValue(), "2027-01");
  assert.equal(await watchers.isChecked(), !before);
  assert.equal(await whose.inputValue(), "16");
  await whose.selectOption("Every student");
  await press(page, "Save the rules");
  await toast(page, "Saved");
  await page.reload();
  await pane(page).getByLabel("Version of the rules").waitFor();
  assert.equal(await whose.inputValue(), "all");
  await page.getByRole("link", { name: "What happened" }).click();
  await page.getByRole("list", { name: "What happened, newest first" }).getByRole("listitem").first().waitFor();
});

test("an admin signs everybody out, and is signed out as well", async () => {
  const { page: pupil } = await student();
  const page = await admin();
  await go(page, "admin/school");
  await press(page, "Sign everybody out");
  await dialog(page).getByText("you too").waitFor();
  await dialog(page).getByRole("button", { name: "Sign everybody out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await pupil.reload();
  await pupil.getByRole("heading", { name: "Sign in" }).waitFor();
  await signIn(page, tutor);
  await go(page, "admin/audit");
  await page.getByText("Signed everybody out").first().waitFor();
});

test("one takes a copy of one's data, and deletes the account", async () => {
  const { page, who } = await student();
  await ask(page, `Remember me ${emu({ say: "I do." })}`);
  await finished(page, 1);
  await go(page, "settings");
  const saved = page.waitForEvent("download");
  await press(page, "Download your data");
  const file = JSON.parse(await readFile(await (await saved).path(), "utf8"));
  assert.match(JSON.stringify(file), /Remember me/);
  await press(page, "Delete your account");
  await press(page, "Go on");
  await dialog(page).getByLabel("Your password").fill(who.password);
  await press(page, "Delete everything");
  await page.getByText("Your account and everything in it are gone.").waitFor();
  assert.equal(await page.evaluate(() => localStorage.getItem("fynq.account")), null);
  await page.getByLabel("Email").fill(who.email);
  await page.getByLabel("Password", { exact: true }).fill(who.password);
  await press(page, "Sign in");
  await page.getByText("The email or the password is not right.").waitFor();
});

/** Leaves a message that waits, and half a sentence. */
async function leaveTraces(page, cable) {
  await ask(page, `Hello ${emu({ say: "Hi." })}`);
  await finished(page, 1);
  cable.sever();
  await page.getByRole("button", { name: "Try now" }).waitFor();
  await ask(page, "a secret that waits");
  await page.getByText("Waiting for the connection").waitFor();
  await page.getByLabel("Your message").fill("half a secret");
  assert.equal(await page.evaluate(stored), 1);
}

async function assertClean(page) {
  await until(async () => (await page.evaluate(stored)) === 0, "the outbox is empty");
  const left = await page.evaluate(() => [localStorage.getItem("fynq.account"), JSON.stringify(sessionStorage), document.querySelector("#write").value]);
  assert.deepEqual(left, [null, "{}", ""]);
  const text = await page.evaluate(() => document.querySelector("#chat").textContent);
  assert.doesNotMatch(text, /secret|Hello|Mia/);
}

test("who is sent away leaves nothing behind: not after a refused token", async () => {
  const cable = await Cable.to(server);
  const page = await visitor({}, cable.url);
  await signUp(page);
  await leaveTraces(page, cable);
  await page.evaluate(() => {
    const account = JSON.parse(localStorage.getItem("fynq.account"));
    localStorage.setItem("fynq.account", JSON.stringify({ ...account, access: "ended", refresh: "ended" }));
  });
  cable.heal();
  await page.getByText("You have been signed out. Please sign in again.").waitFor();
  await assertClean(page);
  cable.end();
});

test("who is sent away leaves nothing behind: not in a tab where somebody else's sign-out is heard of", async () => {
  const cable = await Cable.to(server);
  const page = await visitor({}, cable.url);
  await signUp(page);
  const second = await anotherPage(open.at(-1).context, cable.url);
  await second.page.locator("#empty h2").waitFor();
  await leaveTraces(page, cable);
  await second.page.getByRole("button", { name: /your account/ }).click();
  await second.page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByText("You have been signed out. Please sign in again.").waitFor();
  await assertClean(page);
  cable.end();
});

test("what somebody left is wiped when another signs in on the same browser, and only theirs", async () => {
  const { page } = await student();
  await page.evaluate(async () => {
    const { saveOutgoing } = await import("/js/chat/outbox-store.js");
    const mine = JSON.parse(localStorage.getItem("fynq.account")).user.id;
    const entry = { session: "s", kind: "send", text: "x", stage: "queued" };
    await saveOutgoing({ ...entry, id: "1", user: mine });
    await saveOutgoing({ ...entry, id: "2", user: "01900000-0000-7000-8000-0000000000ff" });
  });
  const other = await anotherPage(open.at(-1).context, server.url);
  await other.page.evaluate(() => {
    const account = JSON.parse(localStorage.getItem("fynq.account"));
    localStorage.setItem("fynq.account", JSON.stringify({ ...account, user: { ...account.user, id: "01900000-0000-7000-8000-0000000000ff" } }));
  });
  await until(async () => (await page.evaluate(stored)) === 1, "one's own is wiped, the other's is not");
});

test("a link in an answer shows its whole address before it opens", async () => {
  const { page } = await student();
  const { context } = open.at(-1);
  const address = `https://example.org/a/long/path?with=${"x".repeat(200)}#end`;
  await context.route("https://example.org/**", (route) => route.fulfill({ contentType: "text/html", body: "<title>there</title>" }));
  await ask(page, `A link ${emu({ say: `See [the school's own page](${address}).` })}`);
  await finished(page, 1);
  const link = page.locator(".answer a");
  await link.click();
  assert.equal(await dialog(page).locator(".address").innerText(), address);
  assert.equal(await dialog(page).locator(".address strong").innerText(), "example.org");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  await link.click({ button: "middle" });
  await press(page, "Stay here");
  assert.equal(context.pages().length, 1, "nothing opened by itself");
  await link.focus();
  await page.keyboard.press("Enter");
  const opened = context.waitForEvent("page");
  await dialog(page).getByRole("link", { name: "Open it" }).click();
  const there = await opened;
  await there.waitForLoadState();
  assert.equal(there.url(), address);
  assert.equal(await there.evaluate(() => window.opener), null);
});

async function look(page, hash, name) {
  await go(page, hash);
  await until(async () => (await page.locator("#page-body").getByText("Loading…").count()) === 0, `${name} is loaded`);
  await check(page, name);
}

/** Every screen of a student, then those of an admin, with their dialogs. */
async function lookAtAll(options) {
  const narrow = options.viewport.width < 800;
  const { page } = await student(options);
  await look(page, "settings", "settings");
  await press(page, "Change your password");
  await press(page, "Change");
  await check(page, "another password, with mistakes");
  await page.keyboard.press("Escape");
  await press(page, "Delete your account");
  await check(page, "the account's end");
  await page.keyboard.press("Escape");
  await look(page, "classes", "a student's classes");
  if (narrow) await page.locator("#page-drawer").click();
  await check(page, "the list beside a page");
  if (narrow) await press(page, "Close conversations");
  await page.keyboard.press("Alt+n");
  await ask(page, `A link ${emu({ say: `See [this](https://example.org/${"long".repeat(40)}).` })}`);
  await finished(page, 1);
  await page.locator(".answer a").click();
  await check(page, "a link's address");
  await page.keyboard.press("Escape");

  const lost = await visitor(options);
  await press(lost, "Forgot your password?");
  await press(lost, "Save the new password");
  await check(lost, "forgot, with mistakes");

  const office = await admin(options);
  await look(office, "admin/users", "people");
  await office.getByRole("button", { name: /^More for/ }).last().click();
  await check(office, "what can be done with somebody");
  await office.keyboard.press("Escape");
  await press(office, "New account");
  await check(office, "a new account");
  await office.keyboard.press("Escape");
  for (const tab of ["classes", "school", "audit"]) await look(office, `admin/${tab}`, tab);
  await go(office, "classes");
  await press(office, "New class");
  await dialog(office).getByLabel("Name").fill("Mathematicsandphysicsforeverybodyinthewholeschool");
  await press(office, "Make it");
  await office.locator(".code").waitFor();
  await until(async () => (await office.locator("#page-body").getByText("Loading…").count()) === 0, "the class is loaded");
  await check(office, "a class");
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1280]) {
    test(`axe finds nothing on the pages: ${colorScheme}, ${width} px`, () => lookAtAll({ colorScheme, viewport: { width, height: 740 } }));
  }
}

test("no page scrolls sideways at 320 px", () => lookAtAll({ viewport: { width: 320, height: 568 } }));

test("the keyboard alone makes a class and signs out", async () => {
  const page = await admin();
  const tabTo = async (name) => {
    for (let count = 0; count < 80; count += 1) {
      const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") || document.activeElement?.innerText || document.activeElement?.id);
      if (focused?.trim().startsWith(name)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab never comes to ${name}`);
  };
  await tabTo("Classes");
  await page.keyboard.press("Enter");
  await shown(page, "Classes");
  await page.getByText("New class").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "page-title", "a new page is read from its heading");
  await tabTo("New class");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Chemistry");
  await page.keyboard.press("Enter");
  await shown(page, "Chemistry");
  await page.locator(".code").waitFor();
  await tabTo("Rename the class");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("Biology");
  await page.keyboard.press("Enter");
  await shown(page, "Biology");
  await page.keyboard.press("Control+k");
  await tabTo("tutor");
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});
