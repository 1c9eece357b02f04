// The second screen: one conversation at a time, beside the list of all.
import { Conversation } from "../chat/conversation.js";
import { createSession, getSession } from "../net/api.js";
import { forgetFiles } from "../net/files.js";
import { account } from "../net/identity.js";
import { examples, explain, sentence } from "../words.js";
import { Announcer } from "./announce.js";
import { updateBanner } from "./banner.js";
import { Composer } from "./composer.js";
import { byId, h, icon, say, show } from "./dom.js";
import { Follow } from "./follow.js";
import { guardLinks } from "./link-sheet.js";
import { Presence } from "./presence.js";
import { openDrawer, Sidebar } from "./sidebar.js";
import { toast } from "./toast.js";
import { Transcript } from "./transcript.js";
import { LineSpeaker } from "./tutor-lines.js";

export class ChatScreen {
  /** @type {Conversation | null} */
  conversation = null;
  #frame = 0;
  #creating = false;
  #settled = false;
  #title = "";

  constructor() {
    this.announcer = new Announcer();
    this.lines = new LineSpeaker();
    this.presence = new Presence(() => this.#hand());
    this.sidebar = new Sidebar({
      open: () => openDrawer(false),
      gone: (id) => id === this.conversation?.id && this.go(""),
      renamed: (id, title) => id === this.conversation?.id && this.#entitle(title),
    });
    this.transcript = new Transcript(byId("transcript"), {
      edit: (id) => this.#edit(id),
      again: () => this.conversation?.command("regenerate"),
      retry: (id) => this.conversation?.retry(id),
      discard: (id) => this.#discard(id),
      problems: (file) => this.#problems(file),
    });
    this.composer = new Composer({
      send: (text, editing, files) => this.#send(text, editing, files),
      stop: () => this.stop(),
      typing: () => this.conversation?.tellTyping(),
      editLast: () => this.#editLast(),
    });
    this.follow = new Follow(byId("scroller"), (away) => show(byId("jump"), away && byId("empty").hidden));
    byId("jump").append(icon("down"), h("span", {}, "To the newest"));
    byId("jump").addEventListener("click", () => this.follow.jump());
    byId("earlier").addEventListener("click", () => this.#earlier());
    guardLinks(byId("transcript"));
  }

  /** Opens what the address names: a conversation, or a new one. @param {string} id */
  async show(id) {
    this.conversation?.close();
    this.conversation = null;
    this.#settled = false;
    this.transcript.clear();
    this.composer.moveTo(id || "new");
    this.sidebar.choose(id);
    this.#entitle(id ? this.sidebar.titleOf(id) : "New conversation");
    openDrawer(false);
    this.follow.jump();
    if (id) {
      this.conversation = new Conversation(id, { changed: () => this.#changed(), refused: (code) => toast(sentence(code)) });
      this.#nameIt(id);
      await this.conversation.open();
    }
    this.#draw();
    if (matchMedia("(hover: hover)").matches) this.composer.focus();
  }

  close() {
    this.conversation?.close();
    this.conversation = null;
    this.transcript.clear();
    this.composer.moveTo("new");
    this.composer.attachments.forget();
    forgetFiles();
    this.#entitle("");
    this.#drawEmpty(false);
    this.announcer.silence();
    this.lines.forgetAll([]);
    this.presence.draw(null);
    updateBanner(null, this.#bannerContext());
  }

  /** @param {string} id */
  go(id) {
    if (location.hash.slice(1) === id) this.show(id);
    else location.hash = id;
  }

  stop() {
    if (this.conversation?.state.run) this.conversation.command("stop");
  }

  /** @param {string} id */
  async #nameIt(id) {
    if (this.sidebar.titleOf(id)) return;
    const session = await getSession(id).catch(() => null);
    if (session && this.conversation?.id === id) this.#entitle(session.title);
  }

  /** @param {string | null} title */
  #entitle(title) {
    this.#title = title || "New conversation";
    say(byId("title"), this.#title);
    document.title = `${this.#title} · fynq`;
  }

  /** At most once a frame, however many tokens came. */
  #changed() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
    // A page out of sight gets no frames, but its title and its reader's ears still count.
    if (document.hidden && this.#frame) {
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.#draw();
    }
  }

  #draw() {
    const conversation = this.conversation;
    const filled = conversation ? this.transcript.update(conversation) : false;
    const known = conversation === null || conversation.state.ready;
    this.#drawEmpty(!filled && known);
    const told = conversation?.state.ready === true && this.#announce(conversation);
    this.presence.draw(conversation, told);
    this.#drawComposer();
    show(byId("earlier"), conversation?.state.hasMore === true);
    updateBanner(conversation?.line ?? null, this.#bannerContext());
    this.follow.keep();
  }

  /** @param {Conversation} conversation @returns {boolean} whether it was about a tutor */
  #announce({ state }) {
    if (!this.#settled) {
      this.announcer.forgetAll(state);
      this.lines.forgetAll(state.lines);
    }
    this.#settled = true;
    this.announcer.update(state, (id) => this.transcript.textOf(id));
    return this.lines.update(state.lines, state.you?.id);
  }

  #bannerContext() {
    return {
      tryNow: () => this.conversation?.socket.tryNow(),
      again: () => location.reload(),
      updating: this.conversation?.updating ?? false,
      waiting: this.conversation?.outbox.filter((entry) => entry.stage === "queued").length ?? 0,
    };
  }

  /** @param {boolean} shown */
  #drawEmpty(shown) {
    const empty = byId("empty");
    if (shown === !empty.hidden) return;
    show(empty, shown);
    if (!shown) return empty.replaceChildren();
    const cards = examples.map(({ title, text }) =>
      h("li", {}, h("button", { type: "button", onclick: () => this.#send(text, null) }, h("strong", {}, title), h("span", {}, text))),
    );
    empty.replaceChildren(
      h("h2", {}),
      h("p", {}, "Ask a question, or start with one of these."),
      h("ul", { class: "examples" }, ...cards),
    );
    this.greet();
  }

  /** Says hello by name, once the name is known. */
  greet() {
    const name = account()?.user.display_name?.split(" ")[0];
    const line = byId("empty").querySelector("h2");
    if (line) say(line, name ? `Hi ${name}, what shall we work on?` : "What shall we work on?");
  }

  #drawComposer() {
    const state = this.conversation?.state;
    const role = state?.you?.role ?? account()?.user.role ?? "student";
    const over = this.conversation?.line.phase === "ended";
    this.composer.update({
      answering: state?.run != null && state.control === "ai",
      allowed: role === "student" && !over,
      placeholder: role !== "student" ? "You are reading along" : state?.control === "tutor" ? `Write to ${state.tutor?.name || "your tutor"}…` : "Ask anything…",
    });
  }

  /** @param {string} text @param {string | null} editing @param {import("./composer.js").Taken} [files] */
  async #send(text, editing, files) {
    const back = () => {
      this.composer.putBack(text);
      files?.back("new");
    };
    if (this.#creating) return back();
    if (!this.conversation && !(await this.#begin(text, back))) return;
    this.follow.jump();
    await (editing ? this.conversation?.edit(editing, text) : this.conversation?.say(text, files?.ids));
    files?.gone();
    if (this.conversation) this.sidebar.touch(this.conversation.id);
    this.follow.jump();
  }

  /** The first message makes the conversation. @param {string} text @param {() => void} back */
  async #begin(text, back) {
    this.#creating = true;
    try {
      // A picture without words gives no title: the first words do.
      const session = await createSession(text ? titleFrom(text) : undefined);
      this.sidebar.add(session);
      history.replaceState(null, "", `#${session.id}`);
      await this.show(session.id);
      return true;
    } catch (problem) {
      back();
      toast(`${explain(problem)} ${text ? "Your text is still here." : ""}`.trim());
      return false;
    } finally {
      this.#creating = false;
    }
  }

  /** @param {string} id */
  #edit(id) {
    const message = this.conversation?.state.messages.find((each) => each.id === id);
    if (message) this.composer.edit(id, message.text);
  }

  #editLast() {
    const { state, outbox } = this.conversation ?? {};
    const last = state?.messages.findLast((message) => message.author === "student" && message.status !== "queued");
    if (last && state?.run === null && !outbox?.length) this.#edit(last.id);
  }

  /** @param {string} id */
  #discard(id) {
    const entry = this.conversation?.outbox.find((each) => each.id === id);
    this.conversation?.discard(id);
    if (entry && !this.composer.field.value) this.composer.putBack(entry.text);
  }

  /** What is chosen of the list is asked in the conversation that shows the picture, where the AI still sees it. @param {string} file */
  async #problems(file) {
    try {
      const { listProblems } = await import("./worksheet.js");
      listProblems(file, (text) => {
        this.composer.cancelEdit();
        const before = this.composer.field.value.trim();
        this.composer.putBack(before ? `${before}\n\n${text}` : text);
        this.composer.focus();
      });
    } catch {
      toast("This did not load. There may be no connection.");
    }
  }

  #hand() {
    const raised = this.conversation?.state.handRaised;
    if (this.conversation?.command(raised ? "lower_hand" : "raise_hand")) {
      toast(raised ? "Your hand is down." : "Your tutors can see that you want help.");
    }
  }

  async #earlier() {
    const button = byId("earlier");
    button.disabled = true;
    try {
      await this.conversation?.loadEarlier();
      this.follow.holding(() => this.#draw());
    } catch (problem) {
      toast(explain(problem));
    } finally {
      button.disabled = false;
    }
  }
}

/** The first words of the question. @param {string} text */
function titleFrom(text) {
  const line = text.replace(/\s+/g, " ").replace(/\[\[.*?\]\]/g, "").trim();
  if (line.length <= 48) return line || "New conversation";
  return `${line.slice(0, 48).replace(/\s\S*$/, "")}…`;
}
