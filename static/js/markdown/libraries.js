// The libraries of static/vendor/, each fetched once and when it is wanted. A library that is missing is null,
// and whoever wanted it does without.
import { makeSyntax } from "./syntax.js";

/** @template T @param {() => Promise<T>} fetchIt */
function lazy(fetchIt) {
  /** @type {T | null | undefined} */
  let value;
  /** @type {Promise<T | null> | undefined} */
  let loading;
  return {
    /** What has been fetched; undefined if that is still to come. */
    now: () => value,
    load: () => (loading ??= fetchIt().catch(() => null).then((fetched) => (value = fetched))),
  };
}

const vendor = (/** @type {string} */ name) => import(`/vendor/${name}.js`);

export const syntax = lazy(async () => makeSyntax(await vendor("markdown")));
export const highlighter = lazy(async () => (await vendor("highlight")).default);
export const katex = lazy(async () => {
  const [library] = await Promise.all([vendor("katex"), styleSheet("/vendor/katex.css")]);
  return library;
});

/** @param {string} href @returns {Promise<void>} */
function styleSheet(href) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.onload = () => resolve();
    link.onerror = reject;
    document.head.append(link);
  });
}
