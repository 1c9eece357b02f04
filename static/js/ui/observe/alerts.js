// How a tutor is told of what is new: a summary for who listens, and if they have switched it on a short sound
// and a notification. A notification lies on a lock screen, so it never says who, nor a word of anybody's.
import { loudness, summarise, summaryEvery } from "../../observe/news.js";

/** @typedef {import("../../observe/news.js").News} News */
/** @typedef {import("../../observe/news.js").Loudness} Loudness */

/** Pitches of each sound in Hz, one after the other. @type {Record<Loudness, number[]>} */
const sounds = { safety: [880, 660, 880], hand: [587, 784], other: [523] };
const noteLasts = 0.14;
/** However much happens at once, it is one sound. */
const quietFor = 2_000;

export class Alerts {
  /** @type {AudioContext | null} */
  #audio = null;
  #soundedAt = 0;
  #summarisedAt = 0;
  /** @type {News[]} what nobody has been told yet: at most one for each signal on the wall */
  #untold = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {{line: HTMLElement, settings: () => {sound: boolean, notify: boolean}}} parts `line`: a polite live region */
  constructor(parts) {
    this.parts = parts;
  }

  close() {
    clearTimeout(this.#timer);
    this.#audio?.close();
    this.#audio = null;
  }

  /** @param {News[]} news safety first */
  tell(news) {
    if (!news.length) return;
    const seen = new Set(news.map(({ session, kind }) => `${session} ${kind}`));
    this.#untold = [...this.#untold.filter(({ session, kind }) => !seen.has(`${session} ${kind}`)), ...news];
    this.#timer ??= setTimeout(() => this.#summarise(), Math.max(500, this.#summarisedAt + summaryEvery - Date.now()));
    const first = news.find((each) => loudness(each) !== null);
    if (!first) return;
    const { sound, notify } = this.parts.settings();
    const loud = /** @type {Loudness} */ (loudness(first));
    if (sound) this.play(loud);
    if (notify && document.hidden) this.#notify(loud);
  }

  #summarise() {
    this.#timer = undefined;
    this.#summarisedAt = Date.now();
    this.parts.line.textContent = summarise(this.#untold);
    this.#untold = [];
  }

  /** @param {Loudness} loud */
  play(loud) {
    const now = Date.now();
    if (loud !== "safety" && now - this.#soundedAt < quietFor) return;
    this.#soundedAt = now;
    this.#audio ??= new AudioContext();
    const audio = this.#audio;
    void audio.resume();
    for (const [index, pitch] of sounds[loud].entries()) note(audio, pitch, audio.currentTime + index * noteLasts);
  }

  /** @param {Loudness} loud */
  #notify(loud) {
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    const told = new Notification("A student needs help", { tag: `fynq-${loud}`, silent: true });
    told.onclick = () => {
      focus();
      told.close();
    };
  }
}

/** Asks the browser, if it has not been asked. @returns {Promise<boolean>} whether notifications may be shown */
export async function mayNotify() {
  if (!("Notification" in globalThis)) return false;
  return (await Notification.requestPermission()) === "granted";
}

/** @param {AudioContext} audio @param {number} pitch @param {number} at */
function note(audio, pitch, at) {
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.12, at + 0.02);
  volume.gain.linearRampToValueAtTime(0, at + noteLasts);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + noteLasts);
}
