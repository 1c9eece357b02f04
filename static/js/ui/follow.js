// The text is followed only while the reader is at its end. Who scrolls up is left alone until they are back.

const near = 64;

export class Follow {
  #following = true;
  #lastTop = 0;
  #lastHeight = 0;

  /** @param {HTMLElement} scroller @param {(away: boolean) => void} changed */
  constructor(scroller, changed) {
    this.scroller = scroller;
    this.changed = changed;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // A window that shrinks (a phone's keyboard) must not take the end out of sight.
    new ResizeObserver(() => this.keep()).observe(scroller);
  }

  get away() {
    return !this.#following;
  }

  /** After the text changed: stays at the end, if that is where the reader was. */
  keep() {
    if (this.#following) this.#toEnd();
    else this.changed(true);
  }

  jump() {
    this.#set(true);
    this.#toEnd();
  }

  /** Text was put in above: what the reader sees stays where it is. @param {() => void} change */
  holding(change) {
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
    change();
    this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    this.#note();
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#note();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const distance = scrollHeight - clientHeight - scrollTop;
    const up = scrollTop < this.#lastTop - 1 && scrollHeight >= this.#lastHeight;
    if (up && distance > 4) this.#set(false);
    else if (distance <= near && scrollTop >= this.#lastTop) this.#set(true);
    else if (distance > near && !this.#following) this.#set(false);
    this.#note();
  }

  #note() {
    this.#lastTop = this.scroller.scrollTop;
    this.#lastHeight = this.scroller.scrollHeight;
  }

  /** @param {boolean} following */
  #set(following) {
    if (this.#following === following) return;
    this.#following = following;
    this.changed(!following);
  }
}
