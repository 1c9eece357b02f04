// The part of the address after the `#`, as screens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { askedIn, readPlace } from "../../static/js/places.js";

test("every screen has its address, and a conversation is its id", () => {
  const id = "01900000-0000-7000-8000-000000000001";
  const places = {
    "": { screen: "chat", id: "" },
    [`#${id}`]: { screen: "chat", id },
    "#settings": { screen: "settings" },
    "#classes": { screen: "classes", id: "", code: "" },
    [`#classes/${id}`]: { screen: "classes", id, code: "" },
    "#join/ABCD-EFGH": { screen: "classes", id: "", code: "ABCD-EFGH" },
    "#join/A%20B": { screen: "classes", id: "", code: "A B" },
    "#library": { screen: "library", id: "", edits: false },
    "#library/new": { screen: "library", id: "", edits: true },
    [`#library/${id}`]: { screen: "library", id, edits: false },
    [`#/library/${id}`]: { screen: "library", id, edits: false },
    [`#library/${id}/edit`]: { screen: "library", id, edits: true },
    "#admin": { screen: "admin", tab: "users" },
    [`#/library/${id}?page=37`]: { screen: "library", id, edits: false },
    "#library?subject=Maths%2FScience": { screen: "library", id: "", edits: false },
    "#admin/tasks?status=failed": { screen: "admin", tab: "tasks" },
    "#admin/audit": { screen: "admin", tab: "audit" },
    "#observe": { screen: "observe", id: "" },
    [`#observe/${id}`]: { screen: "observe", id },
    [`#replay/${id}`]: { screen: "replay", id },
    [`#digest/${id}`]: { screen: "digest", id },
    "#forgot": { screen: "forgot" },
    "#sign-up": { screen: "sign-up", code: "" },
  };
  for (const [hash, place] of Object.entries(places)) assert.deepEqual(readPlace(hash), place, hash);
});

test("an address that means nothing leads to a new conversation, and never throws", () => {
  for (const hash of ["#write", "#%", "#a/b", "#<script>", "#../../etc", `#${"x".repeat(65)}`]) assert.deepEqual(readPlace(hash), { screen: "chat", id: "" }, hash);
  assert.deepEqual(readPlace("#admin/../x"), { screen: "admin", tab: "users" });
  assert.deepEqual(readPlace("#observe/<b>"), { screen: "observe", id: "" });
  assert.deepEqual(readPlace("#library/<b>/edit"), { screen: "library", id: "", edits: false });
  assert.deepEqual(readPlace("#classes/<b>"), { screen: "classes", id: "", code: "" });
});

test("what an address asks for beside its place is read, and never throws", () => {
  assert.deepEqual(askedIn("#library?subject=Maths%20%26%20more&grade=5"), { subject: "Maths & more", grade: "5" });
  assert.deepEqual(askedIn("#library"), {});
  assert.deepEqual(askedIn("#library?subject=a?b"), { subject: "a?b" });
  assert.equal(askedIn("#x?q=%").q, "%");
});
